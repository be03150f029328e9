import type { Notices } from './notices.ts';

/** Default of `consul.waitMs`. */
export const defaultWaitMs = 60_000;

/** A read that ends earlier was not cut for its length. */
const shortestCutMs = 1_000;
/** What is learnt is tried anew after this time. */
const relearnMs = 3_600_000;
/** Statuses by which something between says that it waited long enough; Consul never sends them. */
const cutStatuses: readonly number[] = [408, 502, 504];

/** What is looked at of a `RegistryError`. */
interface ReadFailure {
  readonly failure: string;
  readonly status: number | undefined;
}

/** How long blocking reads of one agent may wait. A balancer between cuts long reads (nginx and ALB after 60 s); then they wait less. */
export class ReadWait {
  readonly #most: number;
  readonly #now: () => number;
  readonly #notices: Notices;
  #learnt: { readonly waitMs: number; readonly atMs: number } | undefined;
  #suspected: { readonly elapsedMs: number; readonly atMs: number } | undefined;

  /** `waitMs`: what reads wait when nothing cuts them. `now`: monotonic milliseconds. */
  constructor(waitMs: number, now: () => number, notices: Notices) {
    this.#most = waitMs;
    this.#now = now;
    this.#notices = notices;
  }

  get waitMs(): number {
    if (this.#learnt === undefined) return this.#most;
    if (this.#now() - this.#learnt.atMs < relearnMs) return Math.min(this.#most, this.#learnt.waitMs);
    this.#learnt = undefined;
    this.#notices.clear('cut_reads');
    return this.#most;
  }

  /**
   * A blocking read failed after so long. Whether it may have been cut for its length: then nothing is known to be wrong, and a read that does
   * not block decides.
   */
  failed({ failure, status }: ReadFailure, elapsedMs: number): boolean {
    if (elapsedMs < shortestCutMs) return false;
    if (status !== undefined && cutStatuses.includes(status)) {
      this.#learn(elapsedMs);
      return true;
    }
    if (failure !== 'unreachable' && failure !== 'timeout') return false;
    // A restarted agent breaks all reads at one instant. What cuts them for their length does so again after the same time.
    const before = this.#suspected;
    const isSame = before !== undefined && Math.abs(elapsedMs / before.elapsedMs - 1) < 0.1;
    if (isSame && this.#now() - before.atMs > shortestCutMs) this.#learn(elapsedMs);
    this.#suspected = { elapsedMs, atMs: this.#now() };
    return true;
  }

  #learn(elapsedMs: number): void {
    const waitMs = Math.max(shortestCutMs, Math.floor(elapsedMs * 0.8));
    if (waitMs >= this.waitMs) return;
    this.#learnt = { waitMs, atMs: this.#now() };
    this.#notices.raise({
      kind: 'cut_reads',
      message:
        `Something between this process and Consul cuts reads after ${(elapsedMs / 1000).toFixed(1)} s; they wait ` +
        `${(waitMs / 1000).toFixed(1)} s from here on. Raise the time limit there, or lower consul.waitMs.`,
    });
  }
}
