import type { IncomingMessage, ServerResponse } from 'node:http';

import type { MemoryBudget } from '../sockets/memory-budget.ts';

/** Requests that may wait behind the one in progress. A client that sends more without reading is cut. */
const maxPipelined = 64;
/** Reading pauses while requests of more than this wait: the parser makes messages of all that it reads at once. */
const enoughBytes = 65_536;
/** The objects of a message that waits, without its text. An estimate, rounded up. */
const messageBytes = 6_144;

/** A message that node:http has read. `response`: its place in the order of answers; undefined: the parser has left the connection. */
export interface NodeMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse | undefined;
  /** What it is charged with while it waits. */
  readonly heldBytes: number;
}

/** The requests of one connection that node:http has read, and whose turn has not come. They are counted. Ended by `clear`. */
export class WaitingMessages {
  readonly #memory: MemoryBudget;
  readonly #messages: NodeMessage[] = [];
  #bytes = 0;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  get first(): NodeMessage | undefined {
    return this.#messages[0];
  }

  /** A request whose turn it is. */
  put(request: IncomingMessage, response: ServerResponse): void {
    this.#messages.push({ request, response, heldBytes: 0 });
  }

  /** A request behind another one. `enough`: no more should be read before some are taken. `too_many`: the connection is to be cut. */
  queue(
    request: IncomingMessage,
    response: ServerResponse,
    headBytes: number,
  ): 'room' | 'enough' | 'too_many' {
    const heldBytes = messageBytes + headBytes;
    this.#messages.push({ request, response, heldBytes });
    this.#charge(heldBytes);
    if (this.#messages.length > maxPipelined || !this.#memory.admits('request')) return 'too_many';
    return this.#bytes > enoughBytes || !this.#memory.ample ? 'enough' : 'room';
  }

  /** The first one waits no more. */
  take(): void {
    this.#charge(-(this.#messages.shift()?.heldBytes ?? 0));
  }

  clear(): void {
    this.#messages.length = 0;
    this.#charge(-this.#bytes);
  }

  #charge(bytes: number): void {
    this.#bytes += bytes;
    this.#memory.chargeHeap(bytes);
  }
}
