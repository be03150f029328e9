/** A token bucket that lends: a call that finds it empty is told how long to wait, and its token is gone already. */
export interface TokenBucket {
  /**
   * Takes one token. Returns how long to wait before using it, in ms; 0 while the burst lasts. `intervalMs` overrides the
   * bucket's own for this refill.
   */
  take(nowMs: number, intervalMs?: number): number;
}

/** A bucket of `burst` tokens that gets one back every `intervalMs`. Starts full. Times are the caller's monotonic ms. */
export function createTokenBucket(burst: number, intervalMs: number): TokenBucket {
  let tokens = burst;
  let filledAtMs: number | undefined;
  return {
    take(nowMs, interval = intervalMs) {
      const elapsedMs = Math.max(0, nowMs - (filledAtMs ?? nowMs));
      tokens = Math.min(burst, tokens + elapsedMs / interval) - 1;
      filledAtMs = Math.max(nowMs, filledAtMs ?? nowMs);
      return tokens >= 0 ? 0 : Math.ceil(-tokens * interval);
    },
  };
}

/**
 * How an answer came. `changed`: with new content; `idle`: after the whole wait; `recovered`: the first after failures, with nothing
 * new, and it could not but come at once; `early`: none of these.
 */
export type AnswerPace =
  | { readonly kind: 'changed' | 'idle' | 'recovered' }
  | {
      readonly kind: 'early';
      /** How long the read took. */
      readonly elapsedMs: number;
    };

/** Decides how long a watch waits before its next read. */
export interface WatchPace {
  /** Takes note of an answer; returns the pause before the next read in ms. */
  after(pace: AnswerPace, nowMs: number): number;
}

/** Early answers in a row, each under a second, before the strict bucket starts to slow down. */
const patience = 10;
const strictIntervalMs = 1000;
const slowestIntervalMs = 15_000;

/**
 * The rate limit that Consul's documentation asks of a blocking loop ("Implementation Details": token bucket, slow poll under
 * churn), in two parts: real changes may come 20 a second, so that a deployment shows at once; answers that bring nothing and
 * come early have a burst of 2 and then one a second, and when they go on, ever fewer down to one in 15 s.
 */
export function createWatchPace(): WatchPace {
  const changes = createTokenBucket(20, 50);
  const strict = createTokenBucket(2, strictIntervalMs);
  // Failures have a backoff of their own; this only bounds a registry that fails every other time.
  const recoveries = createTokenBucket(6, 2 * strictIntervalMs);
  let streak = 0;
  return {
    after(pace, nowMs) {
      switch (pace.kind) {
        case 'idle':
          streak = 0;
          return 0;
        case 'changed':
          streak = 0;
          return changes.take(nowMs);
        case 'recovered':
          return recoveries.take(nowMs);
        case 'early': {
          if (pace.elapsedMs < strictIntervalMs) streak += 1;
          const doublings = Math.min(10, Math.max(0, streak - patience));
          return strict.take(nowMs, Math.min(slowestIntervalMs, strictIntervalMs * 2 ** doublings));
        }
      }
    },
  };
}
