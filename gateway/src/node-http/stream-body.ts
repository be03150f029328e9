import type { FieldLines } from '../exchange/seam.ts';
import type { BodyPiece } from '../proxy/ports.ts';

const noFields: FieldLines = [];
const noBytes = Buffer.alloc(0);
const noSpans: readonly number[] = [];

/** A message body that node:http has parsed: it is itself the piece that the last call has made of it. */
export class StreamBody implements BodyPiece {
  state: 'more' | 'done' | 'faulty' = 'more';
  contentBytes = 0;
  leftBytes: number | undefined;
  bytes: Buffer = noBytes;
  spans: readonly number[] = noSpans;
  readonly form = 'content';
  readonly trailers = noFields;
  readonly framingTrailer = false;
  readonly source = undefined;
  readonly expectsLarge = false;

  /** `lengthBytes`: of a body of known length. */
  constructor(lengthBytes: number | undefined) {
    this.leftBytes = lengthBytes;
    if (lengthBytes === 0) this.state = 'done';
  }

  prefix(): string {
    return '';
  }

  /** The next bytes; empty ones make an empty piece. */
  take(bytes: Buffer): this {
    this.bytes = bytes;
    this.spans = bytes.length === 0 ? noSpans : [0, bytes.length];
    this.contentBytes += bytes.length;
    if (this.leftBytes !== undefined) this.leftBytes -= bytes.length;
    return this;
  }

  /** The stream has ended as announced. Not before: node:http takes a connection back only when its message has been read to the end. */
  finish(): this {
    this.take(noBytes);
    this.state = 'done';
    return this;
  }
}
