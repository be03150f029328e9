import type { BodyForm, BodyPiece, Flow, InstanceConnector } from '../proxy/ports.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { BodyReader } from './body-reader.ts';
import { createInstances, Http1InstancePort } from './instance-port.ts';
import { lastChunk, requestText } from './message-text.ts';
import { responseHeadLimits } from './response-head.ts';
import { ResponseHeadReader } from './response-head-reader.ts';
import { chunkAround, writePiece, type Surroundings } from './socket-writer.ts';

/** The kernel takes a first write up to this size whole or not at all. */
const wholeWriteBytes = 16_384;
/** A kept copy of this size is written itself, instead of another copy. */
const worthSharingBytes = 8_192;
const none: Surroundings = { before: '', after: '' };

/** Speaks HTTP/1.1 to instances over the connections of `pools`. */
export function createHttp1Instances(pools: UpstreamPools): InstanceConnector {
  return createInstances(pools, (lent) => new Http1Instance(lent));
}

/** One request and its response on a connection to an instance. */
class Http1Instance extends Http1InstancePort {
  readonly #heads = new ResponseHeadReader();
  #reads: 'heads' | 'body' | 'raw' = 'heads';
  #body: BodyReader | undefined;

  get partialHead(): boolean {
    return this.#reads === 'heads' && this.#heads.partial;
  }

  request(body: string, form: BodyForm, complete: boolean): void {
    const end = complete && this.#chunked ? lastChunk : '';
    const text = requestText(this.step, this.accepted) + this.#framed(body, form) + end;
    this.writes += text.length > wholeWriteBytes ? 2 : 1;
    this.noteLogin(this.accepted.headers);
    this.upstream.socket.write(text, 'latin1');
  }

  send(piece: BodyPiece, kept: Buffer | undefined): Flow {
    const { socket } = this.upstream;
    const end = piece.state === 'done' && this.#chunked ? lastChunk : '';
    const around = this.#chunked ? chunkAround(piece, end) : none;
    this.writes += 1;
    if (kept !== undefined && kept.length > worthSharingBytes && around.before === '' && around.after === '')
      socket.write(kept);
    else writePiece(socket, piece, around);
    return this.flow;
  }

  receive(form: BodyForm): void {
    const framing = this.response?.body ?? { kind: 'none' };
    const bytes = framing.kind === 'length' ? framing.bytes : 0;
    this.#reads = 'body';
    this.#body = new BodyReader(framing.kind, bytes, {
      form,
      source: this.upstream.buffer,
      sender: 'instance',
    });
    const { bytes: first, at, end } = this.#heads.take();
    this.#readBody(first, at, end);
  }

  receiveRaw(): void {
    const { bytes, at, end } = this.#heads.take();
    this.#reads = 'raw';
    if (at < end) this.handler.instanceRaw(bytes, at, end);
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    if (this.#reads === 'body') this.#readBody(bytes, from, to);
    else if (this.#reads === 'raw') this.handler.instanceRaw(bytes, from, to);
    else this.#readHeads(bytes, from, to);
  }

  upstreamEnded(): void {
    const body = this.#body;
    if (this.#reads === 'body' && body?.endWithConnection() === true) this.handler.instanceBody(body);
    else this.endedEarly();
  }

  get #chunked(): boolean {
    return this.accepted.body.kind === 'chunked';
  }

  /** Content of a chunked body becomes one chunk. */
  #framed(text: string, form: BodyForm): string {
    if (form === 'framed' || text === '' || !this.#chunked) return text;
    return `${text.length.toString(16)}\r\n${text}\r\n`;
  }

  #readHeads(bytes: Buffer, from: number, to: number): void {
    const heads = this.#heads;
    heads.add(bytes, from, to);
    do {
      const head = heads.next(this.step.method, responseHeadLimits);
      const room = this.upstream.buffer.keep(heads.partial ? heads.end : 0);
      if (head === 'incomplete') {
        if (!room) this.handler.instanceLost('exhausted', 'something');
        return;
      }
      if ('fault' in head) {
        this.handler.instanceLost('upstream_protocol', 'something', head.fault);
        return;
      }
      this.response = head;
      this.noteLogin(head.headers);
      this.handler.instanceHead(head);
      if (head.status >= 200 || head.status === 101) return;
      // The handler may have ended this port because of the interim head.
    } while (heads.at < heads.end && this.upstream.user === this);
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const body = this.#body;
    if (body === undefined) return;
    const end = body.read(bytes, from, to);
    this.surplus = end < to;
    if (body.state === 'faulty') this.handler.instanceLost('upstream_protocol', 'something');
    else this.handler.instanceBody(body);
    body.forget();
  }
}
