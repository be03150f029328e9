import type { EndpointState } from './endpoint-state.ts';
import type { EndpointReport } from './endpoint.ts';
import type { LeaseState } from './lease.ts';
import { findOutliers, type OutlierPolicy } from './outliers.ts';

/** Looking for outliers costs a look at every endpoint, so it is not done at each error. */
const pauseMs = 250;
/** The clock is asked at every error, but only once in so many good answers. */
const answersPerLook = 16;

/** Counts the answers of an upstream's endpoints and finds those that err far more than the others. */
export class OutlierWatch {
  readonly #now: () => number;
  /** Number of the present half window. */
  #half = 0;
  #answers = 0;
  #searchedMs = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The last word of a lease counts, once. */
  count(policy: OutlierPolicy, lease: LeaseState, report: EndpointReport): void {
    if (policy.windowMs <= 0) return;
    const kind = report === 'success' ? 'good' : 'bad';
    if (lease.counted === kind || lease.counted === 'bad') return;
    this.#answers += 1;
    if (kind === 'bad' || this.#answers % answersPerLook === 0)
      this.#half = Math.floor(this.#now() / (policy.windowMs / 2));
    const { answers } = lease.endpoint;
    if (lease.counted === 'good') answers.spoil(this.#half);
    else answers.add(kind, this.#half);
    lease.counted = kind;
  }

  /** The outliers among the healthy ones, the worst first; looks at most four times a second. */
  find(policy: OutlierPolicy, listed: readonly EndpointState[], nowMs: number): readonly EndpointState[] {
    if (policy.windowMs <= 0 || nowMs - this.#searchedMs < pauseMs) return [];
    this.#searchedMs = nowMs;
    const judged = listed.filter(
      ({ membership, health }) => membership === 'member' && health.state === 'healthy',
    );
    const half = this.#half;
    const rates = judged.map(({ answers }) => ({ good: answers.good(half), total: answers.total(half) }));
    return findOutliers(policy, rates).flatMap((index) => judged[index] ?? []);
  }
}
