import type { EndpointState } from './endpoint-state.ts';
import type { EndpointReport } from './endpoint.ts';
import type { LeaseState } from './lease.ts';
import { findOutliers, type OutlierPolicy } from './outliers.ts';

/** A search is linear in the endpoints, so it does not follow every error. */
const searchPauseMs = 250;
/** The clock is read at every error, but only once in so many good answers. */
const answersPerClockRead = 16;

/** Counts the answers of an upstream's endpoints and finds those with far more errors than the others. */
export class OutlierDetector {
  readonly #now: () => number;
  /** Number of the present half window. */
  #half = 0;
  #answers = 0;
  #searchedMs = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a report once per lease; a bad report replaces a good one. */
  count(policy: OutlierPolicy, lease: LeaseState, report: EndpointReport): void {
    if (policy.windowMs <= 0) return;
    const kind = report === 'success' ? 'good' : 'bad';
    if (lease.counted === kind || lease.counted === 'bad') return;
    this.#answers += 1;
    if (kind === 'bad' || this.#answers % answersPerClockRead === 0)
      this.#half = Math.floor(this.#now() / (policy.windowMs / 2));
    const { answers } = lease.endpoint;
    if (lease.counted === 'good') answers.spoil(this.#half);
    else answers.add(kind, this.#half);
    lease.counted = kind;
  }

  /** The outliers among healthy endpoints, the worst first; searches at most four times a second. */
  find(policy: OutlierPolicy, listed: readonly EndpointState[], nowMs: number): readonly EndpointState[] {
    if (policy.windowMs <= 0 || nowMs - this.#searchedMs < searchPauseMs) return [];
    this.#searchedMs = nowMs;
    const judged = listed.filter(({ eligible, health }) => eligible && health.state === 'healthy');
    const half = this.#half;
    const rates = judged.map(({ answers }) => ({ good: answers.good(half), total: answers.total(half) }));
    return findOutliers(policy, rates).flatMap((index) => judged[index] ?? []);
  }
}
