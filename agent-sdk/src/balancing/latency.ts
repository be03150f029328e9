/** Time in which a measured latency loses its weight; Finagle's and Linkerd's number. */
const decayMs = 10_000;
/** How long an error makes an endpoint look slower; Linkerd's load biaser. */
const penaltyMs = 5_000;

/**
 * How slow an endpoint is: a moving average that jumps to every peak at once and decays within seconds (peak EWMA). Quick errors must not
 * look like a fast endpoint: an error never lowers the average, and adds a penalty of 5 s that shrinks with the clock.
 */
export class Latency {
  #averageMs = 0;
  /** When the average was last updated; -1: never. */
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
   * The latency to expect now, in milliseconds, above 0. It decays, so that a slow endpoint without requests is tried again. `typicalMs` is
   * used for an endpoint that has not answered yet: it is neither the fastest nor the slowest then.
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
