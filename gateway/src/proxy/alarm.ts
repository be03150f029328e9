import { Timeout, type TimeoutOwner, type TimeoutWheel } from './timeout-wheel.ts';

/**
 * A limit that most exchanges don't have: made when it is set, and taken off the wheel when it is cleared. Whoever makes one clears
 * it, unless it has rung.
 */
export class Alarm implements TimeoutOwner {
  readonly #wheel: TimeoutWheel;
  readonly #timeout: Timeout;
  readonly #ring: () => void;
  readonly #faulted: (fault: unknown) => void;

  /** Calls `ring` once after `ms`, and `faulted` with what that throws. */
  constructor(wheel: TimeoutWheel, ms: number, ring: () => void, faulted: (fault: unknown) => void) {
    this.#wheel = wheel;
    this.#ring = ring;
    this.#faulted = faulted;
    this.#timeout = new Timeout(this);
    wheel.arm(this.#timeout, ms);
  }

  /** It won't ring any more. */
  clear(): void {
    this.#wheel.remove(this.#timeout);
  }

  timedOut(): void {
    try {
      this.#ring();
    } catch (fault) {
      this.#faulted(fault);
    }
  }
}
