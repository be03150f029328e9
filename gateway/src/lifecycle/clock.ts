import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds that never jump; for every duration and deadline of the gateway. */
export function monotonicNow(): number {
  return performance.now();
}

/** Resolves after `ms`, and keeps no process alive by itself. */
export async function sleep(ms: number): Promise<void> {
  await delay(ms, undefined, { ref: false });
}

/** The present time as an HTTP date (RFC 9110 §5.6.7), worked out once a second. */
export function createHttpDate(): () => string {
  let second = -1;
  let text = '';
  return () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}

/** Of a request id: 96 random bits. */
const requestIdLetters = 24;
const requestIdsAtOnce = 256;

/**
 * Request ids that can't be guessed: random, so that none tells how many requests there were, nor what another one is called. Cheap,
 * because chance is drawn for many of them at once.
 */
export function createRequestIds(): () => string {
  let pool = '';
  let at = 0;
  return () => {
    if (at === pool.length) {
      pool = randomBytes((requestIdsAtOnce * requestIdLetters) / 2).toString('hex');
      at = 0;
    }
    at += requestIdLetters;
    return pool.slice(at - requestIdLetters, at);
  };
}
