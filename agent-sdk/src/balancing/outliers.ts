/**
 * Success-rate outliers: an endpoint that answers with far more errors than the others is ejected, although no single failure was certain.
 * Each endpoint is compared with all the others together, so that it works for three instances as for a hundred (the usual mean and
 * deviation over all can't single out one of three). When the whole service fails, no endpoint is ejected.
 */
export interface OutlierPolicy {
  /** Length of the window in which answers are counted; 0: never. */
  readonly windowMs: number;
  /** Answers in the window below which an endpoint is not judged. */
  readonly minRequests: number;
  /** How far an endpoint's success rate may lie below that of the others, 0..1. */
  readonly margin: number;
}

/** With fewer other endpoints than this, the deviation of their rates says too little. */
const minOthersForDeviation = 5;
/** Standard deviations that count as normal; Envoy's number. */
const usualDeviations = 1.9;

/** The answers of one endpoint in two halves of a window: the counts cover between half of it and all of it. O(1). */
export class AnswerCounts {
  #half = 0;
  #good = 0;
  #bad = 0;
  #goodBefore = 0;
  #badBefore = 0;

  /** `half`: the number of the present half window. */
  add(kind: 'good' | 'bad', half: number): void {
    this.#turn(half);
    if (kind === 'good') this.#good += 1;
    else this.#bad += 1;
  }

  /** An answer that was counted as good turned out bad. */
  spoil(half: number): void {
    this.#turn(half);
    if (this.#good > 0) this.#good -= 1;
    this.#bad += 1;
  }

  good(half: number): number {
    this.#turn(half);
    return this.#good + this.#goodBefore;
  }

  total(half: number): number {
    return this.good(half) + this.#bad + this.#badBefore;
  }

  clear(): void {
    this.#good = this.#bad = this.#goodBefore = this.#badBefore = 0;
  }

  #turn(half: number): void {
    const passed = half - this.#half;
    if (passed === 0) return;
    this.#goodBefore = passed === 1 ? this.#good : 0;
    this.#badBefore = passed === 1 ? this.#bad : 0;
    this.#good = this.#bad = 0;
    this.#half = half;
  }
}

/** The answers of one endpoint in the window. */
export interface AnswerRate {
  readonly good: number;
  readonly total: number;
}

/**
 * Indexes of the endpoints whose success rate lies below that of all the others together by more than the margin, and, where five others
 * can be compared, by more than 1.9 of their standard deviations; the worst first. O(endpoints).
 */
export function findOutliers(
  { minRequests, margin }: OutlierPolicy,
  rates: readonly AnswerRate[],
): readonly number[] {
  const judged = rates
    .map(({ good, total }, index) => ({ good, total, index, share: shareOf(good, total) }))
    .filter(({ total }) => total >= minRequests);
  const sum = { good: 0, total: 0, shares: 0, squares: 0 };
  for (const { good, total } of rates) {
    sum.good += good;
    sum.total += total;
  }
  for (const { share } of judged) {
    sum.shares += share;
    sum.squares += share * share;
  }
  const count = judged.length - 1;
  const isOutlier = ({ good, total, share }: AnswerRate & { readonly share: number }): boolean => {
    const othersTotal = sum.total - total;
    if (othersTotal < minRequests) return false;
    const mean = (sum.shares - share) / Math.max(1, count);
    const variance = Math.max(0, (sum.squares - share * share) / Math.max(1, count) - mean * mean);
    const spread = count >= minOthersForDeviation ? usualDeviations * Math.sqrt(variance) : 0;
    return share < shareOf(sum.good - good, othersTotal) - Math.max(margin, spread);
  };
  return judged
    .filter(isOutlier)
    .sort((a, b) => a.share - b.share)
    .map(({ index }) => index);
}

function shareOf(good: number, total: number): number {
  return total === 0 ? 1 : good / total;
}
