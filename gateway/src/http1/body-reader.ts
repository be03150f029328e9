import type { FieldLines } from '../http/field-lines.ts';
import type { ResponseFraming } from '../http/framing.ts';
import type { BodyForm, BodyPiece, RequestBody } from '../proxy/ports.ts';
import type { ReadBuffer } from '../sockets/read-buffer.ts';
import { ChunkedReader, type ChunkSender } from './chunked-reader.ts';

/** More than this is read into a block of its own and written on without a copy. */
const largeBytes = 32_768;

const noFields: FieldLines = [];
const noBytes = Buffer.alloc(0);
const noSpans: readonly number[] = [];

interface BodyOptions {
  readonly form: BodyForm;
  /** What the reads of the connection go into. */
  readonly source: ReadBuffer | undefined;
  /** `client`, where nothing else is said: the strict reading. */
  readonly sender?: ChunkSender;
}

/**
 * Follows a message body through the buffers it comes in: where it ends, whether it is faulty, and which bytes of a buffer go on to
 * the other side. It is itself the piece that the last `read` has found.
 */
export class BodyReader implements BodyPiece, RequestBody {
  /** `more` until the last byte of the body; `until_close` becomes `done` only by {@link endWithConnection}. */
  state: 'more' | 'done' | 'faulty';
  contentBytes = 0;
  bytes: Buffer = noBytes;
  form: BodyForm;
  readonly source: ReadBuffer | undefined;
  readonly framing: ResponseFraming['kind'];
  #left: number;
  readonly #chunked: ChunkedReader | undefined;
  #spans = noSpans;

  /** `bytes`: the length of a body of known length. */
  constructor(
    framing: ResponseFraming['kind'],
    bytes: number,
    { form, source, sender = 'client' }: BodyOptions,
  ) {
    this.framing = framing;
    this.#left = bytes;
    this.#chunked = framing === 'chunked' ? new ChunkedReader(form, sender) : undefined;
    if (this.#chunked !== undefined) this.#spans = this.#chunked.spans;
    this.form = framing === 'chunked' ? form : 'content';
    this.source = source;
    this.state = framing === 'none' || (framing === 'length' && bytes === 0) ? 'done' : 'more';
  }

  contentOnly(): void {
    this.form = 'content';
    if (this.#chunked !== undefined) this.#chunked.form = 'content';
  }

  get spans(): readonly number[] {
    return this.#spans;
  }

  prefix(index: number): string {
    return this.#chunked?.prefixes[index] ?? '';
  }

  get trailers(): FieldLines {
    return this.#chunked?.trailers ?? noFields;
  }

  get leftBytes(): number | undefined {
    return this.framing === 'length' ? this.#left : undefined;
  }

  get expectsLarge(): boolean {
    return this.framing !== 'length' || this.#left > largeBytes;
  }

  /** Reads from `from` up to `to` or the end of the body, and returns the index after what it took. */
  read(bytes: Buffer, from: number, to: number): number {
    this.bytes = bytes;
    if (this.#chunked !== undefined) {
      const end = this.#chunked.read(bytes, from, to);
      this.contentBytes = this.#chunked.contentBytes;
      const room = this.source?.keep(this.#chunked.keptBytes) ?? true;
      this.state = room ? this.#chunked.state : 'faulty';
      return end;
    }
    const end = this.framing === 'until_close' ? to : Math.min(to, from + this.#left);
    if (this.framing === 'length') {
      this.#left -= end - from;
      if (this.#left === 0) this.state = 'done';
    }
    this.contentBytes += end - from;
    // A pair of its own is smaller than a list that grows.
    this.#spans = end > from ? [from, end] : noSpans;
    return end;
  }

  /** The piece has been used: its buffer belongs to others again. */
  forget(): void {
    this.bytes = noBytes;
  }

  /** The connection has ended. Returns whether that is the end of the body; then the piece is empty and `done`. */
  endWithConnection(): boolean {
    if (this.framing !== 'until_close') return false;
    this.#spans = noSpans;
    this.state = 'done';
    return true;
  }
}
