import type { Socket } from 'node:net';

import type { RelayStep } from '../exchange/seam.ts';
import { BodyReader } from '../http1/body-reader.ts';
import { fullness, sendBody, type BodyPiece } from '../http1/body-sender.ts';
import { sentFraming, type SentFraming } from '../http/framing.ts';
import { chunkedEnd, lastChunk, responseText } from '../http1/message-text.ts';
import type { ParsedRequest } from '../http1/request-head.ts';
import type { ParsedResponse } from '../http1/response-head.ts';
import type { UpstreamConnection } from '../upstreams/upstream-connection.ts';

/** A final response on its way from an instance to the client, in the one framing that this client understands. */
export class Download {
  readonly response: ParsedResponse;
  /** Whether the response tells the client that the connection ends with it. */
  readonly connection: 'keep' | 'close';
  readonly #client: Socket;
  readonly #reader: BodyReader;
  readonly #framing: SentFraming;
  readonly #trailers: 'unwanted' | 'wanted';
  /** The head, until it is written together with the first bytes of the body. */
  #head: string;
  /** Index after what the last `push` took. */
  end = 0;

  /** `connection`: what the client connection could do if framing were no matter. */
  constructor(
    client: Socket,
    request: ParsedRequest,
    { step, response }: { readonly step: RelayStep; readonly response: ParsedResponse },
    connection: 'keep' | 'close',
  ) {
    const { body } = response;
    this.#client = client;
    this.response = response;
    this.#trailers = request.trailers;
    this.#framing = sentFraming(response.body, request.version);
    this.connection = this.#framing.kind === 'close' ? 'close' : connection;
    const output = body.kind === 'chunked' && this.#framing.kind === 'chunked' ? 'framed' : 'content';
    this.#reader = new BodyReader(body.kind, body.kind === 'length' ? body.bytes : 0, output);
    this.#head = responseText(step, this.#framing, this.connection);
  }

  get contentBytes(): number {
    return this.#reader.contentBytes;
  }

  get state(): 'more' | 'done' | 'faulty' {
    return this.#reader.state;
  }

  /** Whether the client can only tell the end of the body by the end of the connection. */
  get endsWithConnection(): boolean {
    return this.#framing.kind === 'close';
  }

  /** Takes bytes of the instance and writes what goes on, the head with the first of them. */
  push(upstream: UpstreamConnection, bytes: Buffer, from: number, to: number): 'flowing' | 'full' {
    const reader = this.#reader;
    this.end = reader.read(bytes, from, to);
    const before = this.#head;
    this.#head = '';
    if (reader.state === 'faulty') {
      this.#client.write(before, 'latin1');
      return 'flowing';
    }
    const piece =
      reader.framing === 'until_close' && this.#framing.kind === 'chunked'
        ? this.#asChunk(before)
        : { reader, before, after: this.#after() };
    const state = sendBody(this.#client, piece, bytes, upstream.inlet);
    if (reader.state === 'more' && reader.expectsLarge) upstream.inlet.expectLarge();
    return state;
  }

  /** The instance has closed its connection. `cut`: in the middle of the body. */
  upstreamEnded(): 'complete' | 'cut' {
    if (this.#reader.framing !== 'until_close') return 'cut';
    if (this.#framing.kind === 'chunked') this.#client.write(lastChunk, 'latin1');
    return 'complete';
  }

  /** Whether the client should be waited for. */
  get fullness(): 'flowing' | 'full' {
    return fullness(this.#client);
  }

  /** A body that ends with its connection becomes chunks, one for each read. */
  #asChunk(before: string): BodyPiece {
    const [from, to] = this.#reader.spans;
    if (from === undefined || to === undefined) return { reader: this.#reader, before, after: '' };
    return { reader: this.#reader, before: `${before}${(to - from).toString(16)}\r\n`, after: '\r\n' };
  }

  #after(): string {
    if (this.#framing.kind !== 'chunked' || this.#reader.state !== 'done') return '';
    return this.#trailers === 'wanted' ? chunkedEnd(this.#reader.trailers) : lastChunk;
  }
}
