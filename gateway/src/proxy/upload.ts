import type { ErrorCode } from '../exchange/errors.ts';
import type { BodyFraming } from '../exchange/seam.ts';
import { BodyReader } from '../http1/body-reader.ts';
import { bodyText, fullness, pieceBytes, sendBody, type BodyPiece } from '../http1/body-sender.ts';
import type { ClientConnection } from '../http1/client-connection.ts';
import type { EngineContext } from './engine-context.ts';
import { lastChunk } from '../http1/message-text.ts';
import type { UpstreamConnection } from '../upstreams/upstream-connection.ts';

/**
 * A request body on its way from the client to an instance, with backpressure: whoever is waited for has the timeout running.
 * Trailers of requests are read, judged and dropped: no instance said that it wants any (R39).
 */
export class Upload {
  readonly #client: ClientConnection;
  readonly #context: EngineContext;
  readonly #reader: BodyReader;
  #idleMs = 0;
  #upstream: UpstreamConnection | undefined;
  /** Why it can't go on. */
  fault: ErrorCode | undefined;
  /** All that has been sent of it, framing included, for another attempt; latin1. */
  kept = '';
  /** `lost`: something has been sent that is not kept, so that it can't be sent a second time. */
  replay: 'whole' | 'lost' = 'whole';

  constructor(client: ClientConnection, framing: BodyFraming, context: EngineContext) {
    this.#client = client;
    this.#context = context;
    this.#reader = new BodyReader(framing.kind, framing.kind === 'length' ? framing.bytes : 0, 'framed');
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

  /** The head and what is kept have been sent on this connection: from now on the client is waited for. */
  start(upstream: UpstreamConnection, idleMs: number): void {
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    if (this.state === 'done') return;
    if (fullness(upstream.socket) === 'full') this.#awaitInstance(upstream);
    else this.drained();
  }

  /** A response goes to the client: there won't be another attempt. */
  forget(): void {
    this.kept = '';
    this.replay = 'lost';
  }

  /** Takes bytes of the client and passes them on. Returns the index after those; then `state` and `fault` tell more. */
  carry(bytes: Buffer, from: number, to: number): number {
    const upstream = this.#upstream;
    if (upstream === undefined || this.state === 'done') return from;
    const reader = this.#reader;
    const end = reader.read(bytes, from, to);
    this.fault = this.#judge();
    if (this.fault !== undefined) {
      this.forget();
      return end;
    }
    const done = reader.state === 'done';
    const after = done && reader.framing === 'chunked' ? lastChunk : '';
    upstream.writes += 1;
    const { inlet, timeout } = this.#client;
    const state = this.#send(upstream, { reader, before: '', after }, bytes);
    if (done) {
      inlet.settle();
      this.#context.wheel.disarm(timeout);
    } else if (state === 'full') {
      this.#awaitInstance(upstream);
    } else {
      if (reader.expectsLarge) inlet.expectLarge();
      this.#context.wheel.arm(timeout, this.#idleMs);
    }
    return end;
  }

  /** The instance takes bytes again. */
  drained(): void {
    this.#context.wheel.arm(this.#client.timeout, this.#idleMs);
    this.#client.resumeReading();
    this.#client.feed();
  }

  /** Takes bytes of the client that nobody wants, so that the next request can be found behind them. */
  skip(bytes: Buffer, from: number, to: number): number {
    return this.#reader.read(bytes, from, to);
  }

  #awaitInstance(upstream: UpstreamConnection): void {
    this.#client.pauseReading();
    this.#context.wheel.disarm(this.#client.timeout);
    upstream.arm(this.#idleMs);
  }

  /** Sends a piece, and keeps it as long as everything so far can be kept. */
  #send(upstream: UpstreamConnection, piece: BodyPiece, bytes: Buffer): 'flowing' | 'full' {
    if (this.replay === 'whole') {
      const total = this.kept.length + pieceBytes(piece) + piece.reader.left;
      if (total <= this.#context.replayBytes) {
        const text = bodyText(piece, bytes);
        this.kept += text;
        if (text !== '') upstream.socket.write(text, 'latin1');
        return fullness(upstream.socket);
      }
      this.forget();
    }
    return sendBody(upstream.socket, piece, bytes, this.#client.inlet);
  }

  #judge(): ErrorCode | undefined {
    const reader = this.#reader;
    if (reader.state === 'faulty' || reader.trailerFraming === 'present') return 'bad_framing';
    const { bodyBytes } = this.#context.limits;
    return bodyBytes > 0 && reader.contentBytes > bodyBytes ? 'content_too_large' : undefined;
  }
}
