/** Time and chance as the registration uses them; tests pass their own. */
export interface Clock {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** The real one. Its timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  random: () => Math.random(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects and leaves no timer or listener behind. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const end = () => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** How {@link bounded} ends a call. */
export interface Bound {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What the call rejects with when its time is up. Default: "not finished within … s". */
  readonly timeoutError?: () => Error;
  /** Ends the call early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a call with a deadline. It settles in time even when the call ignores its signal. `AbortSignal.any` is avoided on
 * purpose: on Node 20 each use leaves an entry behind on the long-lived signal.
 */
export async function bounded<T>(bound: Bound, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, signal } = bound;
  signal?.throwIfAborted();
  const controller = new AbortController();
  let end: (reason: unknown) => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    end = (reason) => {
      controller.abort(reason);
      reject(reason instanceof Error ? reason : new Error(String(reason)));
    };
  });
  const forward = (): void => {
    end(signal?.reason);
  };
  const cancel = clock.setTimer(timeoutMs, () => {
    end(bound.timeoutError?.() ?? new Error(`not finished within ${timeoutMs / 1000} s`));
  });
  signal?.addEventListener('abort', forward, { once: true });
  try {
    return await Promise.race([call(controller.signal), ended]);
  } finally {
    cancel();
    signal?.removeEventListener('abort', forward);
  }
}
