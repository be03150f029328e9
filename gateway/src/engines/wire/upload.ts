import type { ErrorCode } from '../../exchange/errors.ts';
import type { BodyFraming } from '../../exchange/seam.ts';
import { BodyReader } from './body-reader.ts';
import { sendBody } from './body-sender.ts';
import { lastChunk } from './message-text.ts';
import type { Inlet } from './inlet.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** What became of the bytes given to `push`. */
export type UploadProgress = 'flowing' | 'full' | 'done' | ErrorCode;

/**
 * A request body on its way from the client to an instance. Trailers of requests are read, judged and dropped: no instance said
 * that it wants any (R39).
 */
export class Upload {
  readonly #reader: BodyReader;
  readonly #limitBytes: number;
  /** Whether body bytes have been taken from the client: from then on it can't be sent a second time. */
  taken: 'nothing' | 'some' = 'nothing';
  /** Index after what the last `push` took. */
  end = 0;

  /** `limitBytes`: content a body may have; 0 for no limit. */
  constructor(framing: BodyFraming, limitBytes: number) {
    this.#reader = new BodyReader(framing.kind, framing.kind === 'length' ? framing.bytes : 0, 'framed');
    this.#limitBytes = limitBytes;
  }

  get contentBytes(): number {
    return this.#reader.contentBytes;
  }

  get state(): 'more' | 'done' {
    return this.#reader.state === 'done' ? 'done' : 'more';
  }

  /** What is still to come of a body of known length; undefined where nobody knows. */
  get leftBytes(): number | undefined {
    return this.#reader.framing === 'length' ? this.#reader.left : undefined;
  }

  /** Takes bytes of the client that nobody wants, so that the next request can be found behind them. */
  skip(bytes: Buffer, from: number, to: number): void {
    this.end = this.#reader.read(bytes, from, to);
  }

  /** Takes bytes that the client's inlet has read, and writes what may be passed on. */
  push(
    upstream: UpstreamConnection,
    inlet: Inlet,
    bytes: Buffer,
    [from, to]: readonly [number, number],
  ): UploadProgress {
    this.taken = 'some';
    const reader = this.#reader;
    this.end = reader.read(bytes, from, to);
    if (reader.state === 'faulty' || reader.trailerFraming === 'present') return 'bad_framing';
    if (this.#limitBytes > 0 && reader.contentBytes > this.#limitBytes) return 'content_too_large';
    const after = reader.state === 'done' && reader.framing === 'chunked' ? lastChunk : '';
    upstream.writes += 1;
    const fullness = sendBody(upstream.socket, { reader, before: '', after }, bytes, inlet);
    if (reader.state === 'more' && reader.expectsLarge) inlet.expectLarge();
    return reader.state === 'done' ? 'done' : fullness;
  }
}
