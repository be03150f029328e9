import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { ClientFacts } from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import { ContentPiece } from '../proxy/content-piece.ts';
import type { AcceptedRequest, ClientPort, CutBy } from '../proxy/ports.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { ExchangeRun } from '../proxy/run.ts';
import { Timeout, type TimeoutOwner } from '../sockets/timeout-wheel.ts';
import { NodeResponseWriter } from './response-writer.ts';

/** Bytes of a new protocol that a client may send before its instance has agreed; above it, reading pauses. */
const heldBytes = 65_536;
/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

/** A message that node:http has read, on its connection. */
export interface NodeMessage {
  readonly accepted: AcceptedRequest;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** Bytes behind the head of a message that the parser has left the connection after (an upgrade); else undefined. */
  readonly early: Buffer | undefined;
}

/** One message of a client and its response. Calls `over` once, when the response has left or the connection is gone. */
export class ClientMessage implements ClientPort, TimeoutOwner {
  readonly facts: ClientFacts;
  readonly smallBody = '';
  readonly timeout: Timeout;
  readonly response: NodeResponseWriter;
  input: 'open' | 'ended' = 'open';
  readonly #message: NodeMessage;
  readonly #context: ProxyContext;
  readonly #over: () => void;
  readonly #body: ContentPiece | undefined;
  readonly #run: ExchangeRun;
  /** What the run has not taken yet. */
  #held: Buffer[] = [];
  /** Whether the request has been read to its end. */
  #requestEnded = false;
  #phase: 'running' | 'leaving' | 'over' = 'running';

  constructor(message: NodeMessage, context: ProxyContext, over: () => void) {
    const { accepted, request, response, socket, early } = message;
    const { body } = accepted;
    this.#message = message;
    this.#context = context;
    this.#over = over;
    this.facts = accepted.client;
    this.timeout = new Timeout(this);
    this.response = new NodeResponseWriter(response, socket, accepted);
    const framed = body.kind === 'chunked' || (body.kind === 'length' && body.bytes > 0);
    this.#body = framed ? new ContentPiece(body.kind === 'length' ? body.bytes : undefined) : undefined;
    this.#run = new ExchangeRun(this, accepted, context);
    // Told by `close`.
    response.on('error', () => undefined);
    response.on('drain', () => {
      this.#guarded(() => {
        this.#run.clientDrained();
      });
    });
    response.on('close', () => {
      // A tunnel ends with its socket.
      if (early === undefined || response.writableFinished || socket.destroyed) this.#closed();
    });
    if (early === undefined) this.#readBody(request);
    else this.#readRaw(socket, early);
  }

  get body(): ContentPiece | undefined {
    return this.#body;
  }

  get ahead(): boolean {
    return this.#held.length > 0;
  }

  begin(): void {
    this.#run.begin();
  }

  /** The parser can't read the rest of the message. */
  broken(code: ErrorCode): void {
    this.#guarded(() => {
      this.#run.clientBroken(code);
    });
  }

  /** The connection is gone. */
  gone(): void {
    this.#closed();
  }

  drain(): void {
    this.#run.drain();
  }

  /** Cuts it, at the end of a drain. */
  shutdown(): void {
    this.destroy(this.#run.shutdown());
  }

  pause(): void {
    this.#source.pause();
  }

  resume(): void {
    this.#deliver();
    if (this.#held.length === 0 && this.#run.takes !== 'nothing') this.#source.resume();
  }

  done(persistence: Persistence): void {
    if (this.#phase !== 'running') return;
    this.#phase = 'leaving';
    const { request, response, socket, early } = this.#message;
    this.#held = [];
    if (early !== undefined && !response.headersSent) {
      this.#endTunnel(socket);
      return;
    }
    if (persistence === 'close') response.shouldKeepAlive = false;
    // What is left of the body is read over by node:http or by the connection's linger.
    request.resume();
    this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
  }

  close(): void {
    this.done('close');
  }

  destroy(how: CutBy): void {
    const { socket } = this.#message;
    if (how === 'reset') socket.resetAndDestroy();
    else socket.destroy();
  }

  timedOut(): void {
    if (this.#phase !== 'running') {
      this.#message.socket.destroy();
    } else {
      this.#guarded(() => {
        this.#run.clientTimedOut();
      });
    }
  }

  get #source(): IncomingMessage | Socket {
    return this.#message.early === undefined ? this.#message.request : this.#message.socket;
  }

  #readBody(request: IncomingMessage): void {
    if (this.#body === undefined) return;
    request.on('data', (bytes: Buffer) => {
      this.#received(bytes);
    });
    request.on('end', () => {
      this.#requestEnded = true;
      this.#guarded(() => {
        this.#deliver();
      });
    });
    request.pause();
  }

  /** Reads on a connection that the parser has left, so that a client that goes away is noticed. */
  #readRaw(socket: Socket, early: Buffer): void {
    if (early.length > 0) this.#held.push(early);
    socket.on('data', (bytes: Buffer) => {
      this.#received(bytes);
    });
    socket.on('end', () => {
      this.input = 'ended';
      // Before the instance has agreed, a client that ends its side has left.
      if (this.#run.takes !== 'raw') {
        socket.destroy();
      } else {
        this.#guarded(() => {
          this.#run.clientEnded();
        });
      }
    });
    socket.resume();
  }

  #received(bytes: Buffer): void {
    if (this.#phase !== 'running') return;
    this.#held.push(bytes);
    this.#guarded(() => {
      this.#deliver();
    });
    if (this.#held.length === 0) return;
    const raw = this.#message.early !== undefined;
    const held = raw ? this.#held.reduce((sum, { length }) => sum + length, 0) : heldBytes;
    if (held >= heldBytes) this.#source.pause();
  }

  /** Gives the run what is held, as far as it takes it. */
  #deliver(): void {
    const body = this.#body;
    while (this.#phase === 'running') {
      const { takes } = this.#run;
      if (takes === 'nothing') break;
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      if (takes === 'raw') this.#run.clientRaw(bytes, 0, bytes.length);
      else if (body !== undefined) this.#run.clientBody(body.take(bytes));
    }
    const ended = this.#requestEnded && this.#held.length === 0 && body?.state === 'more';
    if (ended && this.#run.takes === 'body') this.#run.clientBody(body.finish());
    else if (this.#run.takes === 'nothing' && this.#message.early === undefined) this.#source.pause();
  }

  /** A client that has its Close frame, or whose directions have both ended: what is on its way gets a moment to arrive. */
  #endTunnel(socket: Socket): void {
    this.#context.wheel.arm(this.timeout, lingerMs);
    socket.end();
    socket.resume();
    if (socket.readableEnded) {
      socket.destroySoon();
    } else {
      socket.on('end', () => {
        socket.destroy();
      });
    }
  }

  #closed(): void {
    if (this.#phase === 'over') return;
    const running = this.#phase === 'running';
    this.#phase = 'over';
    this.#context.wheel.remove(this.timeout);
    this.#message.request.resume();
    if (running) this.#run.clientGone();
    this.#over();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (fault) {
      this.#run.faulted(fault);
    }
  }
}
