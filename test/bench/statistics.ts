/** The value below which a share of the samples lies (nearest rank); 0 without samples. Sorts a copy. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** The middle one, or the mean of the middle two; 0 without samples. */
export function median(samples: readonly number[]): number {
  const sorted = Float64Array.from(samples).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** How far the samples lie apart: (largest − smallest) / median; 0 for fewer than two. */
export function spread(samples: readonly number[]): number {
  const middle = median(samples);
  if (samples.length < 2 || middle === 0) return 0;
  return (Math.max(...samples) - Math.min(...samples)) / middle;
}

/** The median of paired ratios with an interval that holds the true median with at least 95 % where there are six pairs or more. */
export interface PairedRatio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly pairs: number;
}

/**
 * How `after` compares with `before`, pair by pair, so that a machine that changes its speed between rounds changes both of a pair. The
 * interval is that of the sign test: order statistics of the ratios, which assumes no distribution.
 */
export function pairedRatio(after: readonly number[], before: readonly number[]): PairedRatio {
  const ratios = Float64Array.from(
    after.slice(0, before.length),
    (value, i) => value / (before[i] ?? value),
  ).sort();
  const pairs = ratios.length;
  // The largest k for which at most 2.5 % of the binomial distribution (n, ½) lies below it.
  let below = 0;
  let term = 0.5 ** pairs;
  let k = 0;
  for (; k < pairs / 2; k += 1) {
    below += term;
    if (below > 0.025) break;
    term *= (pairs - k) / (k + 1);
  }
  const at = Math.max(0, k - 1);
  return { median: median([...ratios]), low: ratios[at] ?? 0, high: ratios[pairs - 1 - at] ?? 0, pairs };
}
