/**
 * Keeps retries from multiplying the load on a service that is failing. One per service. Retries of requests of which nothing was
 * sent need no budget: they cost an instance nothing.
 */
export interface RetryBudget {
  /** A request came: it earns its share of a retry. Monotonic milliseconds. */
  deposit(nowMs: number): void;
  /** Takes one retry if there is one; it counts as under way until `finished` or `refund`. */
  withdraw(nowMs: number): boolean;
  /** A retry that was taken is over. */
  finished(): void;
  /** A retry that was taken could not be made: no endpoint was left. */
  refund(): void;
}

/** How much a budget allows. */
export interface RetryBudgetOptions {
  /** Retries as a share of the requests of the last ten seconds. */
  readonly ratio: number;
  /** Retries per second allowed over the share. */
  readonly floorPerSecond: number;
  /** Retries under way at a time; 0: no limit. */
  readonly maxConcurrent: number;
}

/** What was earned fades with this time constant, as credits do in Finagle and tower. */
const fadeMs = 10_000;
/** How often fading is worked out. */
const fadeStepMs = 50;

/** A budget with ten seconds' worth of its floor in it. */
export function createRetryBudget(options: RetryBudgetOptions): RetryBudget {
  const { ratio, maxConcurrent } = options;
  const floor = (options.floorPerSecond * fadeMs) / 1000;
  let tokens = floor;
  let fadedMs = Number.NEGATIVE_INFINITY;
  let underWay = 0;
  const fade = (nowMs: number): void => {
    if (nowMs - fadedMs < fadeStepMs) return;
    const kept = Math.exp((fadedMs - nowMs) / fadeMs);
    tokens = tokens * kept + floor * (1 - kept);
    fadedMs = nowMs;
  };
  return {
    deposit(nowMs) {
      fade(nowMs);
      tokens += ratio;
    },
    withdraw(nowMs) {
      fade(nowMs);
      if (tokens < 1 || (maxConcurrent > 0 && underWay >= maxConcurrent)) return false;
      tokens -= 1;
      underWay += 1;
      return true;
    },
    finished() {
      underWay -= 1;
    },
    refund() {
      underWay -= 1;
      tokens += 1;
    },
  };
}
