import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { MemoryBudget } from '../sockets/memory-budget.ts';

/**
 * What has come on a client's connection and is still inside node:http: part of a head, and what waits in the stream of a body. It is
 * counted, a little high: framing is part of it until the next read. Ended by `close`.
 */
export class ParserInput {
  readonly #memory: MemoryBudget;
  #bytes = 0;
  /** What the last read may have brought beyond the last thing that the parser has said. */
  #unknownBytes = 0;
  #state: 'open' | 'closed' = 'open';

  /** `unread`: called after each read that leaves something inside, when there is no room for it. */
  constructor(socket: Socket, memory: MemoryBudget, unread: () => void) {
    this.#memory = memory;
    // Before node:http reads it, and after.
    socket.prependListener('data', ({ length }: Buffer) => {
      this.#unknownBytes = length;
      this.#set(this.#bytes + length);
    });
    socket.on('data', () => {
      if (this.#bytes > 0 && !memory.admits('request')) unread();
    });
  }

  /** The parser has said so many bytes; `message`: whose they are. */
  said(bytes: number, message: IncomingMessage): void {
    this.#unknownBytes = Math.max(0, this.#unknownBytes - bytes);
    const left = Math.max(0, this.#bytes - bytes);
    this.#set(message.readableLength > 0 ? left : Math.min(left, this.#unknownBytes));
  }

  close(): void {
    this.#set(0);
    this.#state = 'closed';
  }

  #set(bytes: number): void {
    if (this.#state === 'closed') return;
    this.#memory.charge(bytes - this.#bytes);
    this.#bytes = bytes;
  }
}
