import type { ResponseFraming } from '../http/framing.ts';
import type { FieldLines } from '../exchange/seam.ts';
import { ChunkedReader, type ChunkOutput } from './chunked-reader.ts';

/** More than this is read into a block of its own and written on without a copy. */
const largeBytes = 32_768;

const nothing: FieldLines = [];

/**
 * Follows a message body through the buffers it comes in: where it ends, whether it is faulty, and which bytes of a buffer go
 * on to the other side. One shape for every framing, so that what moves the bytes need not tell them apart.
 */
export class BodyReader {
  /** `more` until the last byte of the body; `until_close` never becomes `done` by itself. */
  state: 'more' | 'done' | 'faulty';
  /** Content bytes so far, without framing. */
  contentBytes = 0;
  readonly framing: ResponseFraming['kind'];
  #left: number;
  readonly #chunked: ChunkedReader | undefined;
  readonly #spans: number[];

  constructor(framing: ResponseFraming['kind'], bytes: number, output: ChunkOutput) {
    this.framing = framing;
    this.#left = bytes;
    this.#chunked = framing === 'chunked' ? new ChunkedReader(output) : undefined;
    this.#spans = this.#chunked?.spans ?? [];
    this.state = framing === 'none' || (framing === 'length' && bytes === 0) ? 'done' : 'more';
  }

  /** After `read`: from, to, from, to … of the bytes to pass on. */
  get spans(): readonly number[] {
    return this.#spans;
  }

  /** What to write before span `index` (0, 1 …); mostly nothing. */
  prefix(index: number): string {
    return this.#chunked?.prefixes[index] ?? '';
  }

  /** Trailers of a chunked body, once `done`. */
  get trailers(): FieldLines {
    return this.#chunked?.trailers ?? nothing;
  }

  get trailerFraming(): 'none' | 'present' {
    return this.#chunked?.trailerFraming ?? 'none';
  }

  /** Bytes that are known to be still to come; 0 where nobody knows. */
  get left(): number {
    return this.#left;
  }

  /** Whether much more is still to come, or nobody knows how much: worth a read buffer of its own. */
  get expectsLarge(): boolean {
    return this.framing !== 'length' || this.#left > largeBytes;
  }

  /** Reads from `from` up to `to` or the end of the body, and returns the index after what it took. */
  read(bytes: Uint8Array, from: number, to: number): number {
    if (this.#chunked !== undefined) {
      const end = this.#chunked.read(bytes, from, to);
      this.contentBytes = this.#chunked.contentBytes;
      this.state = this.#chunked.state;
      return end;
    }
    const end = this.framing === 'until_close' ? to : Math.min(to, from + this.#left);
    if (this.framing === 'length') {
      this.#left -= end - from;
      if (this.#left === 0) this.state = 'done';
    }
    this.contentBytes += end - from;
    this.#spans.length = 0;
    if (end > from) this.#spans.push(from, end);
    return end;
  }
}
