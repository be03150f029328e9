/** A token bucket that lends: an empty bucket still hands out the token, and the call returns how long to wait for it. */
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
 * How an answer came. `changed`: with new content. `idle`: after the whole wait. `recovered`: the first after failures, without new
 * content; such a read does not block. `early`: none of these.
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

/** What all watches of a registry may read together. */
export interface ReadingBudget {
  /** `reader` has read so many records, with news in them. Returns its pause before the next read in ms. */
  take(reader: object, records: number, nowMs: number): number;
}

/** Records per second, for all watches together. A mostly known list costs little to parse, but it is still sent and compared. */
const sharedRecordsPerSecond = 20_000;
/** Overhead of a read, in records per active reader. It is small while few services have news, so that reads hardly wait. */
const recordsPerReader = 2;
/** Maximum overhead of a read, in records. */
const maxRecordsPerRead = 100;
/** A reader counts as active for this long after its last news. */
const activeMs = 5_000;

/**
 * Shares the reading between watches. When n services have news all the time, each waits n times the cost of its own list. A storm over
 * hundreds of services is therefore bounded like a storm of one large service. A small service waits half a second when a hundred have
 * news. The first news after a quiet time is read at once.
 */
export function createReadingBudget(): ReadingBudget {
  /** Time of the last read of each reader, oldest first. */
  const active = new Map<object, number>();
  return {
    take(reader, records, nowMs) {
      active.delete(reader);
      active.set(reader, nowMs);
      for (const [other, readMs] of active) {
        if (nowMs - readMs <= activeMs) break;
        active.delete(other);
      }
      // A single active reader is bounded by its own pace.
      const { size } = active;
      if (size === 1) return 0;
      const cost = records + Math.min(maxRecordsPerRead, recordsPerReader * size);
      return Math.floor((1000 * cost * size) / sharedRecordsPerSecond);
    },
  };
}

/** Decides how long a watch waits before its next read. */
export interface WatchPace {
  /** Takes note of an answer; returns the pause before the next read in ms. */
  after(pace: AnswerPace, nowMs: number): number;
}

/** Early answers in a row, each under a second, before the strict bucket starts to slow down. */
const patience = 10;
const strictIntervalMs = 1000;
const slowestIntervalMs = 15_000;

/** Burst of one watch in records, and its rate per second. Consul sends the whole list for every change in it. */
const recordBurst = 4_000;
const recordsPerSecond = 5_000;

/**
 * The rate limit that Consul's documentation asks of a blocking loop ("Implementation Details": token bucket, slow poll under
 * churn). It has two parts. Real changes may come 20 a second, so that a deployment shows at once. They come more slowly when each brings
 * thousands of records, so that reading a large service costs a bounded share of the time. Early answers without news have a burst of
 * 2, then one a second, and slow down to one in 15 s when they continue.
 */
export function createWatchPace(budget: ReadingBudget = createReadingBudget()): WatchPace {
  const changes = createTokenBucket(20, 50);
  const records = createTokenBucket(recordBurst, 1000 / recordsPerSecond);
  const strict = createTokenBucket(2, strictIntervalMs);
  // Failures have a backoff of their own. This bucket bounds a registry that fails every other time.
  const recoveries = createTokenBucket(6, 2 * strictIntervalMs);
  let streak = 0;
  const reader = {};
  return {
    after(pace, nowMs) {
      switch (pace.kind) {
        case 'idle':
          streak = 0;
          return 0;
        case 'changed':
          streak = 0;
          return Math.max(
            changes.take(nowMs),
            records.take(nowMs, undefined, pace.records),
            budget.take(reader, pace.records, nowMs),
          );
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
