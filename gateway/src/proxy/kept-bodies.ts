/** The size of the buffers that are used again: the default of `retry.replayBytes`. */
const blockBytes = 65_536;
/** Bodies below this get a buffer of their size: 5,000 short ones must not take 5,000 blocks. */
const ownSizeBytes = 16_384;
const maxSpare = 32;

/**
 * The buffers that request bodies are kept in for another attempt. Almost every one is free again as soon as a response has begun, and
 * a new one for each upload would keep the garbage collector busy: a quarter of an upload's cost.
 */
export class KeptBodies {
  readonly #spare: Buffer[] = [];

  /** The length of the buffer that `take` returns for so many bytes. */
  sizeFor(bytes: number): number {
    return bytes <= ownSizeBytes || bytes > blockBytes ? bytes : blockBytes;
  }

  /** A buffer for so many bytes, with anything in it. It keeps no larger one alive. */
  take(bytes: number): Buffer {
    const size = this.sizeFor(bytes);
    return (size === blockBytes ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  /** Nothing reads or writes this buffer any more, the kernel included. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === blockBytes && this.#spare.length < maxSpare) this.#spare.push(buffer);
  }
}
