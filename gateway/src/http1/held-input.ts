import type { MemoryBudget } from '../sockets/memory-budget.ts';
import { ownBytes } from '../sockets/read-buffer.ts';

/** More than this is not held while an exchange runs: reading pauses. */
export const enoughBytes = 65_536;
/** `held`: bytes that were taken, and that nothing else uses. */
export type InputSource = 'read' | 'held';

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

  /**
   * Adds these bytes. What is left of bytes that were held, and only that, is copied no more often than half of them are gone: many small
   * requests in one read cost no more than as many reads.
   */
  add(bytes: Buffer, from: number, to: number, source: InputSource = 'read'): void {
    const before = this.#countedBytes;
    const stays = source === 'held' && before === 0 && 2 * (to - from) >= bytes.buffer.byteLength;
    this.#bytes = stays ? bytes.subarray(from, to) : ownBytes(bytes, from, to, this.#bytes);
    this.#memory.charge(this.#countedBytes - before);
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
    this.#memory.charge(-this.#countedBytes);
    this.#bytes = noBytes;
    return bytes;
  }

  /** What is counted: all that is kept alive by what is held. */
  get #countedBytes(): number {
    return this.#bytes === noBytes ? 0 : this.#bytes.buffer.byteLength;
  }
}
