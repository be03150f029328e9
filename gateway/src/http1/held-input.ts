import type { MemoryBudget } from '../sockets/memory-budget.ts';
import { ownBytes } from '../sockets/read-buffer.ts';

/** More than this is not held while an exchange runs: reading pauses. */
const enoughBytes = 65_536;
const lineFeed = 0x0a;
const noBytes = Buffer.alloc(0);

/** Input of one connection that waits: part of a head, or what follows the request in progress. It is counted. */
export class HeldInput {
  readonly #memory: MemoryBudget;
  #bytes: Buffer = noBytes;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Whether no more should be read before some of it is taken. */
  get enough(): boolean {
    return this.#bytes.length > enoughBytes || !this.#memory.ample;
  }

  /** Adds a copy of these bytes. */
  add(bytes: Buffer, from: number, to: number): void {
    this.#memory.charge(to - from);
    this.#bytes = ownBytes(bytes, from, to, this.#bytes);
  }

  /** Adds a copy of the next bytes of a head. Without the end of a line in them there is nothing new to understand: false. */
  addToHead(bytes: Buffer, length: number): boolean {
    const before = this.#bytes.length;
    this.add(bytes, 0, length);
    return this.#bytes.includes(lineFeed, before);
  }

  /** All of it, which is not held any more; empty when there is none. */
  take(): Buffer {
    const bytes = this.#bytes;
    this.#memory.charge(-bytes.length);
    this.#bytes = noBytes;
    return bytes;
  }
}
