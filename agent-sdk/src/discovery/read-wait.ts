import type { Notices } from './notices.ts';

/** Default of `consul.waitMs`. */
export const defaultWaitMs = 60_000;

/** A read that ends earlier was not cut for its length. */
const shortestCutMs = 1_000;
/** What is learnt is tried anew after this time. */
const relearnMs = 3_600_000;
/** Statuses by which something between says that it waited long enough; Consul never sends them. */
const cutStatuses: ReadonlySet<number | undefined> = new Set([408, 502, 504]);

/** What is looked at of a `RegistryError`. */
interface ReadFailure {
  readonly failure: string;
  readonly status: number | undefined;
}

/** How long blocking reads of one agent may wait. A balancer between cuts long reads (nginx and ALB after 60 s); then they wait less. */
export interface ReadWait {
  readonly waitMs: number;
  /**
   * A blocking read failed after so long. Whether it may have been cut for its length: then nothing is known to be wrong, and a read that does
   * not block decides.
   */
  failed(error: ReadFailure, elapsedMs: number): boolean;
}

/** `waitMs`: what reads wait when nothing cuts them. `now`: monotonic milliseconds. */
export function createReadWait({
  waitMs,
  now,
  notices,
}: {
  readonly waitMs: number;
  readonly now: () => number;
  readonly notices: Notices;
}): ReadWait {
  let learnt: { readonly waitMs: number; readonly atMs: number } | undefined;
  let suspected: { readonly elapsedMs: number; readonly atMs: number } | undefined;

  const learn = (elapsedMs: number): void => {
    const shorterMs = Math.max(shortestCutMs, Math.floor(elapsedMs * 0.8));
    if (shorterMs >= current()) return;
    learnt = { waitMs: shorterMs, atMs: now() };
    notices.raise({
      kind: 'cut_reads',
      message:
        `Something between this process and Consul cuts reads after ${(elapsedMs / 1000).toFixed(1)} s; they wait ` +
        `${(shorterMs / 1000).toFixed(1)} s from here on. Raise the time limit there, or lower consul.waitMs.`,
    });
  };
  const current = (): number => {
    if (learnt === undefined) return waitMs;
    if (now() - learnt.atMs < relearnMs) return Math.min(waitMs, learnt.waitMs);
    learnt = undefined;
    notices.clear('cut_reads');
    return waitMs;
  };

  return {
    get waitMs() {
      return current();
    },
    failed({ failure, status }, elapsedMs) {
      if (elapsedMs < shortestCutMs) return false;
      if (cutStatuses.has(status)) {
        learn(elapsedMs);
        return true;
      }
      if (failure !== 'unreachable' && failure !== 'timeout') return false;
      // A restarted agent breaks all reads at one instant. What cuts them for their length does so again after the same time.
      const isSame = suspected !== undefined && Math.abs(elapsedMs / suspected.elapsedMs - 1) < 0.1;
      if (isSame && now() - (suspected?.atMs ?? 0) > shortestCutMs) learn(elapsedMs);
      suspected = { elapsedMs, atMs: now() };
      return true;
    },
  };
}
