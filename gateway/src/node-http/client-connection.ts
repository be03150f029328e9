import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import { hasBody, type Persistence } from '../http/connection.ts';
import type { ClientFacts } from '../http/message.ts';
import { HeldInput } from '../http1/held-input.ts';
import { answerText } from '../http1/message-text.ts';
import { Http1ResponseWriter } from '../http1/response-writer.ts';
import { monotonicNow } from '../lifecycle/clock.ts';
import type { ConnectionGroup } from '../listeners/admission.ts';
import type { ConnectionParts, ListenerConnection } from '../listeners/traffic-listener.ts';
import { ContentPiece } from '../proxy/content-piece.ts';
import { lastRequestMs } from '../proxy/drain-schedule.ts';
import type { ClientPort, CutBy } from '../proxy/ports.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { ExchangeRun } from '../proxy/run.ts';
import { Linger, lingerMs } from '../sockets/linger.ts';
import { movedBytes } from '../sockets/moved-bytes.ts';
import { ResetWatch } from '../sockets/reset-watch.ts';
import { Timeout, type TimeoutOwner } from '../sockets/timeout-wheel.ts';
import { refusalOf, whyRefused } from './failure.ts';
import { ParserInput } from './parser-input.ts';
import { headBytesOf, readHead, whyNoHead } from './request-head.ts';
import { type NodeMessage, WaitingMessages } from './waiting-messages.ts';

/**
 * A client's connection whose requests node:http reads, one exchange at a time (R41). What is answered is written by itself; node:http
 * is told that its response is over. It ends with its socket.
 */
export class NodeClientConnection implements ClientPort, ListenerConnection, TimeoutOwner {
  readonly facts: ClientFacts;
  group: ConnectionGroup | undefined = undefined;
  next: ListenerConnection | undefined = undefined;
  previous: ListenerConnection | undefined = undefined;
  readonly smallBody = '';
  readonly timeout: Timeout;
  readonly response: Http1ResponseWriter;
  input: 'open' | 'ended' = 'open';
  body: ContentPiece | undefined;
  readonly #socket: Socket;
  readonly #context: ProxyContext;
  readonly #waiting: WaitingMessages;
  /** The one in progress, or the last one. */
  #message: NodeMessage | undefined;
  #run: ExchangeRun | undefined;
  /** What has come of the message and the run has not taken yet. */
  readonly #held: HeldInput;
  readonly #unparsed: ParserInput;
  #watch: ResetWatch | undefined;
  /** What the bytes behind the requests that wait are to be answered with. */
  #refusal: readonly [code: ErrorCode, detail: string | undefined] | undefined;
  /** As of a connection of the wire engine: between exchanges; the same, with answers to be taken first; in one; after the last. */
  #phase: 'head' | 'full' | 'exchange' | 'closing' | 'closed' = 'head';
  /** From the last answer on. */
  #linger: Linger | undefined;
  /** Bytes read when the last exchange ended; more since then are the beginning of another head, whose time node:http takes. */
  #quietAtBytes = 0;
  /** Since when it waits for a request; monotonic. */
  #quietSinceMs = monotonicNow();

  constructor(socket: Socket, { client, context, onClosed }: ConnectionParts) {
    this.#socket = socket;
    this.#context = context;
    this.facts = client;
    this.timeout = new Timeout(this);
    this.response = new Http1ResponseWriter(socket, context);
    this.#held = new HeldInput(context.memory);
    this.#waiting = new WaitingMessages(context.memory);
    this.#unparsed = new ParserInput(socket, context.memory, () => {
      if (this.#phase === 'head') this.#refuse('exhausted');
    });
    socket.on('drain', () => {
      this.response.writes.settle();
      this.#guarded(() => {
        if (this.#phase === 'full') this.#next();
        else this.#run?.clientDrained();
      });
    });
    socket.on('end', () => {
      this.input = 'ended';
      this.#guarded(() => {
        if (this.#phase === 'exchange') this.#run?.clientEnded();
        else if (this.#phase === 'head') this.destroy('plain');
      });
    });
    // Told by `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#phase = 'closed';
      this.#waiting.clear();
      this.#held.take();
      this.#unparsed.close();
      this.response.writes.settle();
      context.wheel.remove(this.timeout);
      const run = this.#run;
      this.#run = undefined;
      run?.clientGone();
      onClosed(this);
    });
  }

  get movedBytes(): number {
    return movedBytes(this.#socket);
  }

  get waitingMs(): number | undefined {
    if (this.#phase !== 'head' || this.#socket.writableLength > 0) return undefined;
    return monotonicNow() - this.#quietSinceMs;
  }

  /** Whether no exchange is in progress, so that the parser may leave the connection to an upgrade. */
  get free(): boolean {
    return this.#phase === 'head';
  }

  get ahead(): boolean {
    const waits = this.body?.state === 'more' && this.#message?.request.complete === true;
    return waits || this.#held.length > 0;
  }

  /** The parser has read a head. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const headBytes = headBytesOf(request);
    this.#unparsed.said(headBytes, request);
    if (this.#phase === 'closing' || this.#phase === 'closed') {
      request.resume();
      return;
    }
    if (this.#phase === 'head') {
      this.#waiting.put(request, response);
      this.#next();
      return;
    }
    const room = this.#waiting.queue(request, response, headBytes);
    if (room === 'too_many') this.destroy('plain');
    else if (room === 'enough') this.#socket.pause();
  }

  /** The parser has read a head and left the connection; `early` are the bytes behind it. */
  left(request: IncomingMessage, early: Buffer): void {
    // CONNECT behind another request.
    if (this.#phase !== 'head') {
      this.destroy('plain');
      return;
    }
    this.#unparsed.close();
    this.#held.add(early, 0, early.length);
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received(bytes);
    });
    this.#begin({ request, response: undefined, heldBytes: 0 });
    this.#socket.resume();
  }

  /** The parser can't go on. */
  broken(error: Error): void {
    const code = refusalOf(error, this.#context.limits);
    if (code === 'gone') {
      this.destroy('plain');
    } else if (this.#phase === 'exchange' && this.#message?.request.complete === false) {
      this.#guarded(() => this.#run?.clientBroken(code));
    } else if (code === 'request_timeout' && this.#socket.bytesRead === 0) {
      this.close();
    } else {
      this.#refusal = [code, whyRefused(code, error, this.#socket, this.#context.limits)];
      if (this.#phase === 'head') this.#next();
    }
  }

  drain(graceMs: number): void {
    this.#run?.drain();
    // An idle connection looks like one whose next request is on its way.
    if (this.#phase === 'head') this.#context.wheel.arm(this.timeout, graceMs);
  }

  shutdown(): void {
    this.destroy(this.#run?.shutdown() ?? 'plain');
  }

  pause(): void {
    this.#source.pause();
    this.#watch ??= new ResetWatch(this.#context.wheel, this.#socket);
    this.#watch.start();
  }

  resume(): void {
    this.#watch?.stop();
    this.#deliver();
    if (this.#held.length === 0 && this.#run?.takes !== 'nothing') this.#source.resume();
  }

  done(persistence: Persistence): void {
    this.#run = undefined;
    this.#held.take();
    this.#watch?.stop();
    if (this.#phase !== 'exchange') return;
    if (persistence === 'close') {
      this.close();
      return;
    }
    this.#phase = 'head';
    this.#quietAtBytes = this.#socket.bytesRead;
    this.#quietSinceMs = monotonicNow();
    // For node:http the response is over: it drops what is unread of the request.
    this.#message?.response?.emit('finish');
    this.#next();
  }

  close(): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#phase = 'closing';
    this.#waiting.clear();
    this.#held.take();
    this.#unparsed.close();
    this.#linger = new Linger(this.#socket);
    this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
    this.#socket.end(() => {
      if (this.#phase === 'closing') this.#context.wheel.arm(this.timeout, lingerMs);
    });
    this.#message?.request.resume();
    this.#socket.resume();
  }

  destroy(how: CutBy): void {
    this.#phase = 'closed';
    this.#waiting.clear();
    if (how === 'reset' || this.#socket.writableLength > 0) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  timedOut(): void {
    this.#guarded(() => {
      if (this.#phase === 'exchange') this.#run?.clientTimedOut();
      else if (this.#linger?.moves() === true) this.#context.wheel.arm(this.timeout, lingerMs);
      else if (this.#phase !== 'head') this.destroy('plain');
      else if (this.#socket.bytesRead === this.#quietAtBytes) this.close();
    });
  }

  get #source(): IncomingMessage | Socket {
    return this.#message?.response === undefined ? this.#socket : this.#message.request;
  }

  /** Between two exchanges: the next request, or a wait for it. */
  #next(): void {
    const { state, limits, wheel } = this.#context;
    const next = this.#waiting.first;
    this.#phase = 'head';
    if (next === undefined && this.#refusal !== undefined) {
      this.#refuse(...this.#refusal);
    } else if (next === undefined && this.input === 'ended') {
      this.close();
    } else if (next === undefined) {
      wheel.arm(this.timeout, state === 'stopping' ? lastRequestMs : limits.keepAliveMs);
    } else if (this.response.flow === 'full') {
      this.#phase = 'full';
      wheel.arm(this.timeout, limits.keepAliveMs);
    } else {
      this.#waiting.take();
      if (this.#waiting.first === undefined && next.heldBytes > 0) this.#socket.resume();
      this.#begin(next);
    }
  }

  #begin(message: NodeMessage): void {
    const { request, response } = message;
    this.#message = message;
    const head = readHead(request, this.facts, this.#context.limits);
    if (typeof head === 'string') {
      this.#refuse(head, whyNoHead(head, request, this.#context.limits), request.method);
      return;
    }
    // An upgrade that the parser has not left the connection for can't be carried out; with a body, the exchange refuses it (R29).
    const upgrade = response === undefined || hasBody(head) ? head.upgrade : undefined;
    // After an upgrade that is not taken, the bytes behind the request are lost to node:http.
    const persistence = head.upgrade === undefined ? head.persistence : 'close';
    const accepted = { ...head, upgrade, persistence };
    const { body } = head;
    this.body = hasBody(head) ? new ContentPiece(body.kind === 'length' ? body.bytes : undefined) : undefined;
    this.response.request = accepted;
    this.#phase = 'exchange';
    this.#context.wheel.disarm(this.timeout);
    const run = (this.#run = new ExchangeRun(this, accepted, this.#context));
    if (this.body !== undefined) this.#readBody(request);
    run.begin();
  }

  #readBody(request: IncomingMessage): void {
    request.on('data', (bytes: Buffer) => {
      this.#unparsed.said(bytes.length, request);
      this.#received(bytes);
    });
    request.on('end', () => {
      this.#guarded(() => {
        this.#deliver();
      });
    });
    this.pause();
  }

  #received(bytes: Buffer): void {
    if (this.#phase !== 'exchange') return;
    this.#guarded(() => {
      if (this.#held.length === 0 && this.#run?.takes !== 'nothing') this.#give(bytes);
      else this.#held.add(bytes, 0, bytes.length);
    });
    // Of a body the rest stays at the parser.
    if (this.#held.length > 0 && (this.body !== undefined || this.#held.enough)) this.pause();
  }

  /** Gives the run what is held, when it takes it, and the end of the body. */
  #deliver(): void {
    if (this.#run !== undefined && this.#run.takes !== 'nothing') this.#give(this.#held.take());
  }

  #give(bytes: Buffer): void {
    const { body } = this;
    if (this.#run?.takes === 'raw') {
      if (bytes.length > 0) this.#run.clientRaw(bytes, 0, bytes.length);
    } else if (body?.state === 'more') {
      if (bytes.length > 0) this.#run?.clientBody(body.take(bytes));
      body.forget();
      this.#deliverEnd(body);
    }
  }

  #deliverEnd(body: ContentPiece): void {
    const { request } = this.#message ?? {};
    if (request?.readableEnded === true && body === this.body && this.#run?.takes === 'body')
      this.#run.clientBody(body.finish(undefined, request.rawTrailers));
  }

  /** Answers what is not a request, and ends the connection: nothing behind it can be understood. */
  #refuse(code: ErrorCode, detail?: string, method = 'GET'): void {
    const { exchanges, httpDate } = this.#context;
    const step = exchanges.refuse(code, this.facts, detail);
    this.#socket.write(answerText(step, method, { date: httpDate(), connection: 'close' }), 'latin1');
    this.close();
  }

  /** A mistake of the gateway's own ends this connection only. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (fault) {
      this.#run?.faulted(fault);
    }
  }
}
