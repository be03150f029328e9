import { Timeout, type TimeoutWheel } from '../proxy/timeout-wheel.ts';

/** One wait at a time, set again and again, on the wheel of an engine. Its owner ends it. */
export class WheelTimer {
  readonly #wheel: TimeoutWheel;
  readonly #timeout: Timeout;

  /** `expired` is called once for each `set` that runs out; it must not throw. */
  constructor(wheel: TimeoutWheel, expired: () => void) {
    this.#wheel = wheel;
    this.#timeout = new Timeout({ timedOut: expired });
  }

  /** Waits this long from now, whatever was waited for before. */
  set(ms: number): void {
    this.#wheel.arm(this.#timeout, ms);
  }

  /** Nothing is waited for any more. Repeated calls do nothing. */
  end(): void {
    this.#wheel.remove(this.#timeout);
  }
}
