import type { Socket } from 'node:net';

import type { MemoryBudget } from './memory-budget.ts';
import { ReadTurns } from './paced-reads.ts';

/** How much is read at once. */
const readBytes = 65_536;
/** How much of it when memory is short: what a slow receiver leaves pending is no more than that. */
const shortReadBytes = 4_096;
/** A read of less shows that its sender is slow: it needs no block of its own for the next one. */
const fullReadBytes = 16_384;
/** Room in front of a block of its own, so that a head can be written before the body that was read there. */
const headroomBytes = 4_096;
/** Blocks that may wait in connections and in the spare list: 64 × 68 KB each. */
const maxBlocks = 64;

/** A read buffer of one connection. */
interface OwnedBuffer {
  readonly whole: Buffer;
  /** Where the kernel reads into: `whole` behind its headroom. */
  readonly view: Buffer;
}

/**
 * Where the sockets of an engine read into. Most reads are small and over before the next one, so all sockets share one buffer:
 * what is in it must be used or copied before the callback returns. A connection with a large body reads into a block.
 */
export class ReadBuffers {
  readonly memory: MemoryBudget;
  readonly turns = new ReadTurns();
  readonly #shared = Buffer.allocUnsafeSlow(readBytes);
  readonly #short = this.#shared.subarray(0, shortReadBytes);
  readonly #spare: OwnedBuffer[] = [];
  #reserved = 0;

  constructor(memory: MemoryBudget) {
    this.memory = memory;
  }

  get shared(): Buffer {
    return this.memory.ample ? this.#shared : this.#short;
  }

  take(): OwnedBuffer {
    this.memory.charge(headroomBytes + readBytes);
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    const whole = Buffer.allocUnsafeSlow(headroomBytes + readBytes);
    return { whole, view: whole.subarray(headroomBytes) };
  }

  giveBack(block: OwnedBuffer): void {
    this.lend();
    if (this.#spare.length < maxBlocks) this.#spare.push(block);
  }

  /** A block that was taken now belongs to a write, which counts it itself. */
  lend(): void {
    this.memory.charge(-headroomBytes - readBytes);
  }

  /** Whether one more connection may keep its block between two bodies. */
  reserve(): boolean {
    if (this.#reserved >= maxBlocks) return false;
    this.#reserved += 1;
    return true;
  }

  release(): void {
    this.#reserved -= 1;
  }
}

/**
 * The reading side of one socket: which buffer the kernel fills next, and what may be done with what it has filled. Ended by
 * `close`, when its socket is.
 */
export class ReadBuffer {
  readonly #buffers: ReadBuffers;
  #block: OwnedBuffer | undefined;
  #reads: 'shared' | 'own' = 'shared';
  /** Whether the present message has shown itself to be large. */
  #message: 'small' | 'large' = 'small';
  #keepsBlock = false;
  #lastReadBytes = readBytes;
  /** What is counted for the reader of the present message. */
  #keptBytes = 0;

  constructor(buffers: ReadBuffers) {
    this.#buffers = buffers;
  }

  /** For the socket, which asks at the end of each read: the buffer of the next one. */
  next(): Buffer {
    const own = this.#reads === 'own' && (this.#keepsBlock || this.#lastReadBytes >= fullReadBytes);
    if (!own || !this.#buffers.memory.ample) {
      // Only here does the kernel let go of the block.
      if (this.#block !== undefined) this.#buffers.giveBack(this.#block);
      this.#block = undefined;
      return this.#buffers.shared;
    }
    this.#block ??= this.#buffers.take();
    return this.#block.view;
  }

  /** A read has brought `length` bytes. */
  filled(length: number): void {
    this.#lastReadBytes = length;
  }

  /** From the next read on, into a block of its own: for bodies that are worth not copying. */
  expectLarge(): void {
    this.#message = 'large';
    this.#reads = 'own';
  }

  /**
   * The reader of the present message keeps so many bytes in all, until the message or the connection is over: part of a head, or of a
   * trailer section. False: there is no room for more.
   */
  keep(bytes: number): boolean {
    const more = bytes - this.#keptBytes;
    if (more === 0) return true;
    this.#keptBytes = bytes;
    this.#buffers.memory.charge(more);
    return more < 0 || this.#buffers.memory.admits('connection');
  }

  /**
   * Writes `bytes` from `from` to `to` to a socket without copying them, with `before` in front. Returns false, and writes nothing,
   * when they are not in a block that has room for it. When the kernel doesn't take it all, the block belongs to that write.
   */
  writeThrough(
    target: Socket,
    bytes: Buffer,
    before: string,
    [from, to]: readonly [number, number],
  ): boolean {
    const block = this.#block;
    if (block === undefined || bytes !== block.view || before.length > headroomBytes + from) return false;
    const start = headroomBytes + from - before.length;
    if (before !== '') block.whole.write(before, start, 'latin1');
    target.write(block.whole.subarray(start, headroomBytes + to));
    if (target.writableLength > 0) {
      this.#buffers.lend();
      this.#block = undefined;
    }
    return true;
  }

  /**
   * The message is over. After a large one the next is expected to be large, too, and the block is kept as long as there are
   * few.
   */
  settle(): void {
    this.keep(0);
    if (this.#message === 'large') {
      this.#message = 'small';
      if (!this.#keepsBlock && this.#buffers.reserve()) this.#keepsBlock = true;
      if (this.#keepsBlock) return;
    }
    if (this.#reads === 'own') this.#share();
  }

  /** The socket has closed, and reads no more. */
  close(): void {
    this.keep(0);
    this.#share();
    if (this.#block !== undefined) this.#buffers.lend();
    this.#block = undefined;
  }

  #share(): void {
    this.#reads = 'shared';
    if (this.#keepsBlock) this.#buffers.release();
    this.#keepsBlock = false;
  }
}

/** A copy of exactly these bytes, which keeps no larger buffer alive: not of node's pool. `before`: what it begins with. */
export function ownBytes(bytes: Uint8Array, from: number, to: number, before?: Uint8Array): Buffer {
  const already = before?.length ?? 0;
  const own = Buffer.allocUnsafeSlow(already + to - from);
  if (before !== undefined) own.set(before);
  own.set(bytes.subarray(from, to), already);
  return own;
}
