import { setTimeout as delay } from 'node:timers/promises';

/** Conditions that something waits for. */
export class Conditions {
  readonly #waiting = new Map<() => boolean, () => void>();

  /** Calls `proceed` once, as soon as a check finds that the condition holds. */
  add(condition: () => boolean, proceed: () => void): void {
    this.#waiting.set(condition, proceed);
  }

  /** Resolves as soon as the condition holds, or after `timeoutMs`. */
  async within(condition: () => boolean, timeoutMs: number): Promise<void> {
    const end = new AbortController();
    const held = new Promise<void>((resolve) => {
      this.add(condition, resolve);
    });
    this.check();
    await Promise.race([held, delay(timeoutMs, undefined, { signal: end.signal }).catch(() => undefined)]);
    end.abort();
    this.#waiting.delete(condition);
  }

  /** Checks all conditions; called after every event. */
  check(): void {
    for (const [condition, proceed] of this.#waiting) {
      if (!condition()) continue;
      this.#waiting.delete(condition);
      proceed();
    }
  }
}
