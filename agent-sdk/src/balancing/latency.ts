/** Time in which what is known of an endpoint's latency loses its weight; Finagle's and Linkerd's number. */
const decayMs = 10_000;
/** How long an error makes an endpoint look slower; Linkerd's load biaser. */
const penaltyMs = 5_000;

/**
 * How slow an endpoint is: a moving average that jumps to every peak at once and comes down within seconds (peak EWMA). Quick errors must
 * not look like a fast endpoint: an error never lowers it, and counts as 5 s of waiting that shrink with the clock.
 */
export class Latency {
  #averageMs = 0;
  /** When the average was last fed; -1: never. */
  #atMs = -1;
  #penaltyUntilMs = 0;

  answered(latencyMs: number, nowMs: number): void {
    const kept = this.#kept(nowMs);
    this.#averageMs = Math.max(latencyMs, this.#averageMs * kept + latencyMs * (1 - kept));
    this.#atMs = nowMs;
  }

  erred(latencyMs: number | undefined, nowMs: number): void {
    if (latencyMs !== undefined && this.#atMs !== -1 && latencyMs > this.#averageMs) {
      this.#averageMs = latencyMs;
      this.#atMs = nowMs;
    }
    this.#penaltyUntilMs = nowMs + penaltyMs;
  }

  /**
   * What is to be expected now, in milliseconds, above 0. Forgets with the time, so that a slow endpoint that gets nothing is tried again.
   * `typicalMs` stands for an endpoint that has not answered yet: a newcomer is neither the fastest nor the slowest.
   */
  expectedMs(typicalMs: number, nowMs: number): number {
    const known = this.#atMs === -1 ? typicalMs : this.#averageMs * this.#kept(nowMs);
    return Math.max(0.01, known) + Math.max(0, this.#penaltyUntilMs - nowMs);
  }

  /** Share of the average that still counts. */
  #kept(nowMs: number): number {
    return this.#atMs === -1 ? 0 : Math.exp(-Math.max(0, nowMs - this.#atMs) / decayMs);
  }
}
