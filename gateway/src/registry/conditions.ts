import { setTimeout as delay } from 'node:timers/promises';

/** Conditions that something waits for. */
export interface Conditions {
  /** Calls `proceed` once, as soon as a check finds that the condition holds. */
  add(condition: () => boolean, proceed: () => void): void;
  /** Resolves as soon as the condition holds, or after `timeoutMs`. */
  within(condition: () => boolean, timeoutMs: number): Promise<void>;
  /** Checks all conditions; called after every event. */
  check(): void;
}

/** No condition yet. */
export function createConditions(): Conditions {
  const waiting = new Map<() => boolean, () => void>();
  const check = (): void => {
    for (const [condition, proceed] of waiting) {
      if (!condition()) continue;
      waiting.delete(condition);
      proceed();
    }
  };
  return {
    add(condition, proceed) {
      waiting.set(condition, proceed);
    },
    async within(condition, timeoutMs) {
      const end = new AbortController();
      const held = new Promise<void>((resolve) => waiting.set(condition, resolve));
      check();
      await Promise.race([held, delay(timeoutMs, undefined, { signal: end.signal }).catch(() => undefined)]);
      end.abort();
      waiting.delete(condition);
    },
    check,
  };
}
