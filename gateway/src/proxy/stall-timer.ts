import type { ListenerLimits } from '../http/limits.ts';
import type { Timeout, TimeoutWheel } from '../sockets/timeout-wheel.ts';
import type { ClientPort } from './ports.ts';

/**
 * Knows which side of an exchange is being waited for, and owns the timeouts of that wait: while one side is waited for, the other
 * can't time out. A client that is waited for has to keep a pace as well, window after window. Made for each attempt, kept by the relay
 * or tunnel after it; ended by `stop`.
 */
export class StallTimer {
  readonly #wheel: TimeoutWheel;
  readonly #client: Pick<ClientPort, 'timeout' | 'movedBytes'>;
  readonly #instance: Timeout;
  readonly #limits: Pick<ListenerLimits, 'paceMs' | 'minBytesPerSecond'>;
  /** When the present window ends, by the wheel; undefined while the client is not waited for alone. */
  #windowEndMs: number | undefined;
  /** What had moved when it began. */
  #movedBefore = 0;
  #idleMs = 0;

  constructor(
    wheel: TimeoutWheel,
    client: Pick<ClientPort, 'timeout' | 'movedBytes'>,
    instance: Timeout,
    limits: Pick<ListenerLimits, 'paceMs' | 'minBytesPerSecond'>,
  ) {
    this.#wheel = wheel;
    this.#client = client;
    this.#instance = instance;
    this.#limits = limits;
  }

  /** Until the next bytes of the client, or until it takes some: `ms`, or less when it is slow over a window. */
  awaitClient(ms: number): void {
    this.#wheel.disarm(this.#instance);
    this.#idleMs = ms;
    if (this.#limits.minBytesPerSecond === 0) {
      this.#wheel.arm(this.#client.timeout, ms);
      return;
    }
    const { nowMs } = this.#wheel;
    if (this.#windowEndMs === undefined) {
      this.#windowEndMs = nowMs + this.#limits.paceMs;
      this.#movedBefore = this.#client.movedBytes;
    }
    this.#wheel.arm(this.#client.timeout, Math.min(ms, this.#windowEndMs - nowMs));
  }

  awaitInstance(ms: number): void {
    this.#wheel.disarm(this.#client.timeout);
    this.#windowEndMs = undefined;
    this.#wheel.arm(this.#instance, ms);
  }

  /** Both sides owe bytes: part of the request and part of the response are still to come. */
  awaitBoth(ms: number): void {
    this.#windowEndMs = undefined;
    this.#wheel.arm(this.#client.timeout, ms);
    this.#wheel.arm(this.#instance, ms);
  }

  /** When the client's time is over: whether only a window is, in which it was fast enough. Then the next one has begun. */
  keepsPace(): boolean {
    const { minBytesPerSecond, paceMs } = this.#limits;
    if (this.#windowEndMs === undefined || this.#wheel.nowMs < this.#windowEndMs) return false;
    this.#windowEndMs = undefined;
    if (this.#client.movedBytes - this.#movedBefore < (minBytesPerSecond * paceMs) / 1_000) return false;
    this.awaitClient(this.#idleMs);
    return true;
  }

  stop(): void {
    this.#wheel.disarm(this.#client.timeout);
    this.#wheel.disarm(this.#instance);
  }
}
