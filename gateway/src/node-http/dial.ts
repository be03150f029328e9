import type { Socket } from 'node:net';

/** A connection that is being opened for an attempt, as long as it is asked who answers on it and not yet the request's to destroy. */
export class Dial {
  #asked: Socket | undefined;

  /** Called by the pool: the question is open. */
  asks(socket: Socket): void {
    this.#asked = socket;
  }

  /** Called by the pool: the question is settled. */
  settled(): void {
    this.#asked = undefined;
  }

  /** Nobody waits for the answer any more: ends the connection as long as it is being asked. */
  abandon(): void {
    this.#asked?.destroy();
  }
}
