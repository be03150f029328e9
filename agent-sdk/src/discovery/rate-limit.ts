/** A token bucket that lends: a call that finds it empty is told how long to wait, and its token is gone already. */
export interface TokenBucket {
  /**
   * Takes tokens, one unless told otherwise. Returns how long to wait before using them, in ms; 0 while the burst lasts. `intervalMs`
   * overrides the bucket's own for this refill.
   */
  take(nowMs: number, intervalMs?: number, count?: number): number;
}

/** A bucket of `burst` tokens that gets one back every `intervalMs`. Starts full. Times are the caller's monotonic ms. */
export function createTokenBucket(burst: number, intervalMs: number): TokenBucket {
  let tokens = burst;
  let filledAtMs: number | undefined;
  return {
    take(nowMs, interval = intervalMs, count = 1) {
      const elapsedMs = Math.max(0, nowMs - (filledAtMs ?? nowMs));
      tokens = Math.min(burst, tokens + elapsedMs / interval) - count;
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
  | {
      readonly kind: 'changed';
      /** How much had to be read, in records of instances. */
      readonly records: number;
    }
  | { readonly kind: 'idle' | 'recovered' }
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

/** Records that one watch reads at once, and then per second: Consul sends the whole list for every change in it. */
const recordBurst = 4_000;
const recordsPerSecond = 5_000;

/**
 * The rate limit that Consul's documentation asks of a blocking loop ("Implementation Details": token bucket, slow poll under
 * churn), in two parts: real changes may come 20 a second, so that a deployment shows at once, or fewer where each brings thousands
 * of records, so that reading a large service costs a bounded share of the time in the worst of storms; answers that bring nothing and
 * come early have a burst of 2 and then one a second, and when they go on, ever fewer down to one in 15 s.
 */
export function createWatchPace(): WatchPace {
  const changes = createTokenBucket(20, 50);
  const records = createTokenBucket(recordBurst, 1000 / recordsPerSecond);
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
          return Math.max(changes.take(nowMs), records.take(nowMs, undefined, pace.records));
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
