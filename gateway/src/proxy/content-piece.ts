import type { FieldLines } from '../http/field-lines.ts';
import type { BodyPiece } from './ports.ts';

const noFields: FieldLines = [];
const noBytes = Buffer.alloc(0);
const noSpans: readonly number[] = [];

/** A body without its framing: what node:http has parsed, or what a transform has made. It is itself the piece of the last call. */
export class ContentPiece implements BodyPiece {
  state: 'more' | 'done' | 'faulty' = 'more';
  contentBytes = 0;
  leftBytes: number | undefined;
  bytes: Buffer = noBytes;
  spans: readonly number[] = noSpans;
  readonly form = 'content';
  trailers = noFields;
  readonly source = undefined;
  readonly expectsLarge = false;

  /** `lengthBytes`: of a body of known length. */
  constructor(lengthBytes: number | undefined) {
    this.leftBytes = lengthBytes;
    if (lengthBytes === 0) this.state = 'done';
  }

  contentOnly(): void {
    // It is.
  }

  prefix(): string {
    return '';
  }

  /** The piece has been used. */
  forget(): void {
    this.bytes = noBytes;
  }

  /** The next bytes; empty ones make an empty piece. */
  take(bytes: Buffer): this {
    this.bytes = bytes;
    this.spans = bytes.length === 0 ? noSpans : [0, bytes.length];
    this.contentBytes += bytes.length;
    if (this.leftBytes !== undefined) this.leftBytes -= bytes.length;
    return this;
  }

  /** The body has ended as announced; `bytes` are its last. */
  finish(bytes: Buffer = noBytes, trailers = noFields): this {
    this.take(bytes);
    this.trailers = trailers;
    this.state = 'done';
    return this;
  }
}
