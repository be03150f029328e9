import type { Socket } from 'node:net';

import type { MemoryBudget } from './memory-budget.ts';

/** What was written to one socket and has not left yet. It is counted, and its writer waits for 'drain'. Ended by `settle`. */
export class PendingWrites {
  readonly #socket: Socket;
  readonly #memory: MemoryBudget;
  #charged = 0;

  constructor(socket: Socket, memory: MemoryBudget) {
    this.#socket = socket;
    this.#memory = memory;
  }

  /**
   * After a write: whether the socket takes more. When it doesn't, 'drain' follows, below the stream's own mark as well. When the
   * budget is used up, the connection is reset.
   */
  flow(): 'flowing' | 'full' {
    const socket = this.#socket;
    const { writableLength } = socket;
    if (writableLength === 0) return 'flowing';
    if (writableLength === this.#charged) return 'full';
    this.#memory.charge(writableLength - this.#charged);
    this.#charged = writableLength;
    if (!this.#memory.admits('connection')) {
      socket.resetAndDestroy();
    } else if (!socket.writableNeedDrain) {
      socket.write('', 'latin1', () => {
        if (socket.writableLength === 0 && !socket.destroyed) socket.emit('drain');
      });
    }
    return 'full';
  }

  /** Everything has left, or the socket has closed. */
  settle(): void {
    if (this.#charged === 0) return;
    this.#memory.charge(-this.#charged);
    this.#charged = 0;
  }
}
