import { Socket } from 'node:net';

/** What a stream is told when a write is over. */
type WriteDone = (error?: Error | null) => void;

/**
 * A socket that outlives its refused writes. The kernel refuses a write once the peer has closed the connection, and `net.Socket` would
 * end at once, with all that has come and was not read yet: with an early answer to an upload, mostly (R34). Here such a
 * write never completes, so that its writer waits for room, and reading goes on to the end.
 */
export class InstanceSocket extends Socket {
  /** Whether a write was refused. `ended`: the peer had ended its side in order before it closed; `reset`: it had not. */
  refused: 'no' | 'ended' | 'reset' = 'no';
  /** The stream's own callback, the same for all writes, and the one that is given to the socket instead. */
  #done: WriteDone | undefined;
  #guarded: WriteDone | undefined;

  override _write(chunk: unknown, encoding: BufferEncoding, done: WriteDone): void {
    super._write(chunk, encoding, this.#guard(done));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: WriteDone): void {
    super._writev?.(chunks, this.#guard(done));
  }

  #guard(done: WriteDone): WriteDone {
    if (this.#guarded !== undefined && done === this.#done) return this.#guarded;
    this.#done = done;
    this.#guarded = (error) => {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (this.readableEnded || (code !== 'EPIPE' && code !== 'ECONNRESET')) done(error);
      // Linux: a reset behind an end is EPIPE, any other ECONNRESET.
      else this.refused = code === 'EPIPE' ? 'ended' : 'reset';
    };
    return this.#guarded;
  }
}
