import { setTimeout as delay } from 'node:timers/promises';

import { customAlphabet } from 'nanoid';

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

/** Request ids: unique across gateways and restarts by a random part drawn once, cheap by a counter. */
export function createRequestIds(): () => string {
  const prefix = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 12)();
  let count = 0;
  return () => `${prefix}-${(count += 1).toString(36)}`;
}
