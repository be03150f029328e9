import type { Socket } from 'node:net';

import { movedBytes } from './moved-bytes.ts';

/** How long a client may be silent after its last answer before its connection is cut. */
export const lingerMs = 2_000;
/** What has to move in that time for another such time: 512 bytes a second. */
const leastBytes = 1_024;

/**
 * What a client still sends behind its last answer is read and dropped, so that no reset overtakes the answer (R34): a client that sends
 * everything before it reads gets it, too. That goes on as long as bytes move, however many there are.
 */
export class Linger {
  readonly #socket: Socket;
  #moved: number;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#moved = movedBytes(socket);
  }

  /** Whether enough has moved, in either direction, since the last call. */
  moves(): boolean {
    const before = this.#moved;
    this.#moved = movedBytes(this.#socket);
    return this.#moved - before >= leastBytes;
  }
}
