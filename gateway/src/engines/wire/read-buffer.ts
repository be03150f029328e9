/**
 * Where sockets read into. Most reads are small and over before the next one, so all sockets share one buffer: what is read
 * from it must be used or copied before the callback returns. A connection that carries a large body reads into a block of its
 * own, which can be written on without a copy.
 */
export const readBytes = 65_536;

const maxSpareBlocks = 64;

export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(readBytes);
  readonly #spare: Buffer[] = [];

  /** A block for one connection. Given back with `giveBack`, or left to the garbage collector by who wrote it on. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(readBytes);
  }

  /** Only from within the read callback that used it, when nothing refers to it any more. */
  giveBack(block: Buffer): void {
    if (this.#spare.length < maxSpareBlocks) this.#spare.push(block);
  }
}
