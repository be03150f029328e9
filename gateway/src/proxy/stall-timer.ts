import type { Timeout, TimeoutWheel } from '../sockets/timeout-wheel.ts';

/**
 * Knows which side of an exchange is being waited for, and owns the timeouts of that wait: while one side is waited for, the other
 * can't time out. Made for each attempt, kept by the relay or tunnel after it; ended by `stop`.
 */
export class StallTimer {
  readonly #wheel: TimeoutWheel;
  readonly #client: Timeout;
  readonly #instance: Timeout;

  constructor(wheel: TimeoutWheel, client: Timeout, instance: Timeout) {
    this.#wheel = wheel;
    this.#client = client;
    this.#instance = instance;
  }

  awaitClient(ms: number): void {
    this.#wheel.disarm(this.#instance);
    this.#wheel.arm(this.#client, ms);
  }

  awaitInstance(ms: number): void {
    this.#wheel.disarm(this.#client);
    this.#wheel.arm(this.#instance, ms);
  }

  /** Both sides owe bytes: part of the request and part of the response are still to come. */
  awaitBoth(ms: number): void {
    this.#wheel.arm(this.#client, ms);
    this.#wheel.arm(this.#instance, ms);
  }

  stop(): void {
    this.#wheel.disarm(this.#client);
    this.#wheel.disarm(this.#instance);
  }
}
