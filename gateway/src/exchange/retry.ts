import { errorTable, type ErrorRule } from './errors.ts';
import type { AttemptFailure } from './seam.ts';

/** RFC 9110 §9.2.2. A proxy must not repeat others on its own. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * Whether a failed attempt may be repeated on another instance: any method when nothing was sent, an idempotent one while no
 * byte of its body has been taken from the client and no byte of an answer has come. Attempts and budget are counted elsewhere.
 */
export function mayRetry(method: string, failure: AttemptFailure): boolean {
  const rule: ErrorRule = errorTable[failure.code];
  switch (rule.retry) {
    case 'never':
      return false;
    case 'unsent':
      return failure.sent === 'nothing';
    case 'idempotent':
      return failure.sent === 'nothing' || (failure.sent === 'head' && idempotent.has(method));
  }
}

/** Keeps retries from multiplying the load on a service that is failing. */
export interface RetryBudget {
  /** A request came: it earns its share of a retry. Monotonic milliseconds. */
  deposit(nowMs: number): void;
  /** Takes one retry if there is one. */
  withdraw(nowMs: number): boolean;
}

/** What was earned fades with this time constant, as credits do in Finagle and tower. */
const fadeMs = 10_000;
/** How often fading is worked out. */
const fadeStepMs = 50;

/**
 * A share of the requests of the last ten seconds plus a floor per second. Retries of requests of which nothing was sent need no
 * budget: they put no load on anybody.
 */
export function createRetryBudget(options: {
  readonly ratio: number;
  readonly floorPerSecond: number;
}): RetryBudget {
  const floor = (options.floorPerSecond * fadeMs) / 1000;
  let tokens = floor;
  let fadedMs = Number.NEGATIVE_INFINITY;
  const fade = (nowMs: number): void => {
    if (nowMs - fadedMs < fadeStepMs) return;
    const kept = Math.exp((fadedMs - nowMs) / fadeMs);
    tokens = tokens * kept + floor * (1 - kept);
    fadedMs = nowMs;
  };
  return {
    deposit(nowMs) {
      fade(nowMs);
      tokens += options.ratio;
    },
    withdraw(nowMs) {
      fade(nowMs);
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
