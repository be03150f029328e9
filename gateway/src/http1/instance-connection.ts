import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptStep } from '../exchange/seam.ts';
import type { ListenerLimits } from '../http/limits.ts';
import type {
  AcceptedRequest,
  BodyForm,
  BodyPiece,
  Flow,
  InstanceConnector,
  InstanceHandler,
  InstancePort,
} from '../proxy/ports.ts';
import type { Timeout } from '../sockets/timeout-wheel.ts';
import type { UpstreamConnection, UpstreamUser } from '../upstreams/upstream-connection.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { BodyReader } from './body-reader.ts';
import { lastChunk, requestText } from './message-text.ts';
import { ResponseHeadReader } from './response-head-reader.ts';
import type { ParsedResponse } from './response-head.ts';
import { chunkAround, flowOf, writeCopy, writePiece, type Surroundings } from './socket-writer.ts';

/** The kernel takes a first write up to this size whole or not at all. */
const wholeWriteBytes = 16_384;
const none: Surroundings = { before: '', after: '' };
/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

/** How much of a response head is taken. */
export type ResponseLimits = () => Pick<ListenerLimits, 'headBytes' | 'headLines'>;

/** Speaks HTTP/1.1 to instances over the connections of `pools`. */
export function createHttp1Instances(pools: UpstreamPools, limits: ResponseLimits): InstanceConnector {
  return {
    open(step, request, handler) {
      const { endpoint, identity } = step;
      if (step.connection === 'fresh') pools.closeIdle(endpoint);
      const idle = pools.take(endpoint, identity);
      const upstream = idle ?? pools.open(endpoint, identity);
      if (upstream === undefined) return undefined;
      const port = new Http1Instance(upstream, { step, request, handler, pools, limits });
      port.connection = idle === undefined ? 'fresh' : 'reused';
      return port;
    },
    closeIdleExcept(live) {
      pools.closeIdleExcept(live);
    },
    get size() {
      return pools.size;
    },
    close: () => pools.close(),
  };
}

interface InstanceOptions {
  readonly step: AttemptStep;
  readonly request: AcceptedRequest;
  readonly handler: InstanceHandler;
  readonly pools: UpstreamPools;
  readonly limits: ResponseLimits;
}

/** One request and its response on a connection to an instance. */
class Http1Instance implements InstancePort, UpstreamUser {
  handler: InstanceHandler;
  connection: 'fresh' | 'reused' = 'fresh';
  readonly #upstream: UpstreamConnection;
  readonly #step: AttemptStep;
  readonly #request: AcceptedRequest;
  readonly #pools: UpstreamPools;
  readonly #limits: ResponseLimits;
  readonly #heads = new ResponseHeadReader();
  #reads: 'heads' | 'body' | 'raw' = 'heads';
  #response: ParsedResponse | undefined;
  #body: BodyReader | undefined;
  /** Whether bytes have come behind the response (R32). */
  #surplus = false;
  /** Writes so far: before the second one, a failed write tells that nothing has left. */
  #writes = 0;

  constructor(upstream: UpstreamConnection, { step, request, handler, pools, limits }: InstanceOptions) {
    this.#upstream = upstream;
    this.#step = step;
    this.#request = request;
    this.handler = handler;
    this.#pools = pools;
    this.#limits = limits;
    upstream.user = this;
  }

  get ready(): boolean {
    return this.#upstream.phase === 'open';
  }

  get partialHead(): boolean {
    return this.#reads === 'heads' && this.#heads.partial;
  }

  get leaving(): boolean {
    return this.#upstream.endpoint.phase === 'draining' || !this.#upstream.reusable;
  }

  get flow(): Flow {
    return flowOf(this.#upstream.socket);
  }

  get timeout(): Timeout {
    return this.#upstream.timeout;
  }

  request(body: string, form: BodyForm, complete: boolean): void {
    const end = complete && this.#chunked ? lastChunk : '';
    const text = requestText(this.#step, this.#request) + this.#framed(body, form) + end;
    this.#writes += text.length > wholeWriteBytes ? 2 : 1;
    this.#upstream.socket.write(text, 'latin1');
  }

  send(piece: BodyPiece, text: string | undefined): Flow {
    const { socket } = this.#upstream;
    const end = piece.state === 'done' && this.#chunked ? lastChunk : '';
    this.#writes += 1;
    if (text === undefined) return writePiece(socket, piece, this.#chunked ? chunkAround(piece, end) : none);
    const framed = this.#framed(text, piece.form) + end;
    if (framed !== '') socket.write(framed, 'latin1');
    return flowOf(socket);
  }

  receive(form: BodyForm): void {
    const framing = this.#response?.body ?? { kind: 'none' };
    const bytes = framing.kind === 'length' ? framing.bytes : 0;
    this.#reads = 'body';
    this.#body = new BodyReader(framing.kind, bytes, { form, source: this.#upstream.buffer });
    this.#readBody(this.#heads.bytes, this.#heads.at, this.#heads.end);
  }

  receiveRaw(): void {
    const { bytes, at, end } = this.#heads;
    this.#reads = 'raw';
    if (at < end) this.handler.instanceRaw(bytes, at, end);
  }

  sendRaw(bytes: Buffer): Flow {
    return writeCopy(this.#upstream.socket, bytes);
  }

  endRaw(): void {
    this.#upstream.socket.end();
  }

  pause(): void {
    this.#upstream.socket.pause();
  }

  resume(): void {
    this.#upstream.socket.resume();
  }

  release(reusable: boolean): void {
    const response = this.#response;
    if (reusable && !this.#surplus && response?.persistence === 'keep')
      this.#pools.giveBack(this.#upstream, response.keepAliveSeconds);
    else this.#upstream.destroy();
  }

  finish(): void {
    this.#upstream.finish(lingerMs);
  }

  destroy(): void {
    this.#upstream.destroy();
  }

  reset(): void {
    this.#upstream.reset();
  }

  upstreamReady(): void {
    this.handler.instanceReady();
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    if (this.#reads === 'body') this.#readBody(bytes, from, to);
    else if (this.#reads === 'raw') this.handler.instanceRaw(bytes, from, to);
    else this.#readHeads(bytes, from, to);
  }

  upstreamEnded(): void {
    const body = this.#body;
    if (this.#reads === 'body' && body?.endWithConnection() === true) this.handler.instanceBody(body);
    else this.handler.instanceEnded();
  }

  upstreamLost(code: ErrorCode, sent: 'nothing' | 'perhaps' | 'something'): void {
    // A write that the kernel refused: the instance had closed the connection before, and nothing of a first write has left.
    const nothing = sent === 'nothing' || (sent === 'perhaps' && this.#writes <= 1);
    this.handler.instanceLost(code, nothing ? 'nothing' : 'something');
  }

  upstreamDrained(): void {
    this.handler.instanceDrained();
  }

  upstreamTimedOut(): void {
    this.handler.instanceTimedOut();
  }

  faulted(fault: unknown): void {
    this.handler.faulted(fault);
  }

  get #chunked(): boolean {
    return this.#request.body.kind === 'chunked';
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
      const head = heads.next(this.#step.method, this.#limits());
      if (head === 'incomplete') return;
      if (head === 'malformed') {
        this.handler.instanceLost('upstream_protocol', 'something');
        return;
      }
      this.#response = head;
      this.handler.instanceHead(head);
      if (head.status >= 200 || head.status === 101) return;
      // The handler may have ended this port because of the interim head.
    } while (heads.at < heads.end && this.#upstream.user === this);
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const body = this.#body;
    if (body === undefined) return;
    const end = body.read(bytes, from, to);
    this.#surplus = end < to;
    if (body.state === 'faulty') this.handler.instanceLost('upstream_protocol', 'something');
    else this.handler.instanceBody(body);
  }
}
