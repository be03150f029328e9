import { Timeout, type TimeoutOwner, type TimeoutWheel } from './timeout-wheel.ts';

/** A limit that most exchanges don't have: armed when it is made, taken off the wheel by `clear`. Its maker clears it. */
export class OneShotTimer implements TimeoutOwner {
  readonly #wheel: TimeoutWheel;
  readonly #timeout: Timeout;
  readonly #expired: () => void;
  readonly #faulted: (fault: unknown) => void;

  /** Calls `expired` once after `ms`, and `faulted` with what that throws. */
  constructor(wheel: TimeoutWheel, ms: number, expired: () => void, faulted: (fault: unknown) => void) {
    this.#wheel = wheel;
    this.#expired = expired;
    this.#faulted = faulted;
    this.#timeout = new Timeout(this);
    wheel.arm(this.#timeout, ms);
  }

  clear(): void {
    this.#wheel.remove(this.#timeout);
  }

  timedOut(): void {
    try {
      this.#expired();
    } catch (fault) {
      this.#faulted(fault);
    }
  }
}
