import type { Socket } from 'node:net';

import { Timeout, type TimeoutOwner, type TimeoutWheel } from './timeout-wheel.ts';

const everyMs = 1_000;

/**
 * Notices that a peer which is not being read has reset its connection: the event loop does not watch such a socket, but a write of no bytes fails on it,
 * and closes it. Ends a second after its socket at the latest.
 */
export class ResetWatch implements TimeoutOwner {
  readonly #wheel: TimeoutWheel;
  readonly #socket: Socket;
  readonly #timeout = new Timeout(this);
  #state: 'watches' | 'off' = 'off';

  constructor(wheel: TimeoutWheel, socket: Socket) {
    this.#wheel = wheel;
    this.#socket = socket;
  }

  /** Reading stops. Cheap: a pause that is short is not looked at. */
  start(): void {
    this.#state = 'watches';
    if (this.#timeout.slotTick === -1) this.#wheel.arm(this.#timeout, everyMs);
  }

  /** Reading goes on. */
  stop(): void {
    this.#state = 'off';
  }

  timedOut(): void {
    const { destroyed, writableEnded, writableLength } = this.#socket;
    if (this.#state === 'off' || destroyed || writableEnded) return;
    // What waits to be written tells as well.
    if (writableLength === 0) this.#socket.write('', 'latin1');
    this.#wheel.arm(this.#timeout, everyMs);
  }
}
