import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { ClientFacts } from '../exchange/seam.ts';
import type { ConnectionClosed, ListenerConnection } from '../listeners/traffic-listener.ts';
import { lastRequestMs } from '../proxy/drain-schedule.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { clientFacts } from '../sockets/client-facts.ts';
import { Timeout } from '../sockets/timeout-wheel.ts';
import { ClientMessage } from './client-message.ts';
import { readHead } from './request-head.ts';
import { NodeResponseWriter, writeRefusal } from './response-writer.ts';

/** Requests that may wait behind the one in progress. A client that sends more without reading is cut. */
const maxPipelined = 64;
/** How long the client's bytes are read and dropped after the last answer, so that no reset overtakes it (RFC 9112 §9.6). */
const lingerMs = 2_000;

type Pipelined =
  | {
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      readonly early: Buffer | undefined;
    }
  | { readonly refusal: ErrorCode };

/** A client's connection under node:http: its requests in order, one exchange at a time (RFC 9112 §9.3.2). It ends with its socket. */
export class NodeClientConnection implements ListenerConnection {
  readonly socket: Socket;
  readonly #context: ProxyContext;
  readonly #facts: ClientFacts;
  readonly #pipelined: Pipelined[] = [];
  readonly #idleTimeout: Timeout;
  #current: ClientMessage | undefined;
  #request: IncomingMessage | undefined;
  /** `last`: the answer at hand is the last one; nothing behind it is taken. */
  #phase: 'open' | 'last' | 'lingering' = 'open';
  /** Bytes read when the last exchange ended; more since then are the beginning of another head. */
  #quietAtBytes = 0;

  constructor(socket: Socket, context: ProxyContext, onClosed: ConnectionClosed) {
    this.socket = socket;
    this.#context = context;
    this.#facts = clientFacts(socket, context.port);
    this.#idleTimeout = new Timeout({
      timedOut: () => {
        if (this.#phase === 'lingering') socket.destroy();
        else if (!this.#busy) socket.destroySoon();
      },
    });
    // node:http writes some heads without naming an encoding: bytes 0x80–0xff would come out as UTF-8 (RFC 9110 §5.5).
    socket.setDefaultEncoding('latin1');
    // node:http closes after the last response with this, at once; unread bytes would then reset the connection.
    const close = socket.destroySoon.bind(socket);
    socket.destroySoon = () => {
      if (this.#request === undefined || this.#request.complete) close();
      else this.#linger();
    };
    socket.on('close', () => {
      this.#pipelined.length = 0;
      context.wheel.remove(this.#idleTimeout);
      this.#current?.gone();
      onClosed(this);
    });
  }

  /** Whether no exchange is in progress, so that the parser may leave the connection to an upgrade. */
  get free(): boolean {
    return this.#current === undefined;
  }

  /** The parser has read a head. */
  request(request: IncomingMessage, response: ServerResponse): void {
    this.#take({ request, response, early: undefined });
  }

  /** The parser has read a head and left the connection; `early` are the bytes behind it. */
  left(request: IncomingMessage, early: Buffer): void {
    // The parser's listeners are gone, and with them the one that keeps an error from ending the process.
    this.socket.on('error', () => undefined);
    this.socket.setTimeout(0);
    // CONNECT behind another request, whose response has lost its connection with the parser.
    if (this.#current !== undefined) this.socket.destroy();
    else this.#take({ request, response: detachedResponse(request, this.socket), early });
  }

  /** The parser can't go on. */
  broken(code: ErrorCode | 'gone'): void {
    if (code === 'gone') {
      this.socket.destroy();
    } else if (this.#phase !== 'open') {
      return;
    } else if (this.#current !== undefined && this.#request?.complete === false) {
      this.#phase = 'last';
      this.#current.broken(code);
    } else if (code === 'request_timeout' && this.socket.bytesRead === 0) {
      this.socket.destroy();
    } else {
      this.#take({ refusal: code });
    }
  }

  drain(graceMs: number): void {
    this.#current?.drain();
    // An idle connection looks like one whose next request is on its way.
    if (!this.#busy) this.#context.wheel.arm(this.#idleTimeout, graceMs);
  }

  shutdown(): void {
    this.#pipelined.length = 0;
    this.#current?.shutdown();
    this.socket.destroy();
  }

  /** Whether it is in an exchange, or in the middle of a head. */
  get #busy(): boolean {
    if (this.#current !== undefined || this.#pipelined.length > 0 || this.#phase !== 'open') return true;
    if (this.#request === undefined) return false;
    return this.socket.bytesRead !== this.#quietAtBytes || this.socket.writableLength > 0;
  }

  #take(next: Pipelined): void {
    if (this.#phase !== 'open') return;
    this.#pipelined.push(next);
    if (this.#pipelined.length > maxPipelined) this.socket.destroy();
    else if (this.#current === undefined) this.#next();
  }

  #next(): void {
    const next = this.#phase === 'open' ? this.#pipelined.shift() : undefined;
    if (next === undefined) return;
    if ('refusal' in next) {
      this.#refuse(next.refusal);
      return;
    }
    const { request, response, early } = next;
    this.#request = request;
    const head = readHead(request, this.#facts, this.#context.limits);
    if (typeof head === 'string') {
      this.#refuseRequest(head, request, response);
      return;
    }
    // An upgrade that the parser has not left the connection for can't be carried out; with a body, the exchange refuses it (R29).
    const upgrade = early === undefined && head.body.kind === 'none' ? undefined : head.upgrade;
    // After an upgrade that it doesn't take, node:http loses the bytes behind the request.
    const persistence = head.upgrade !== undefined && early === undefined ? 'close' : head.persistence;
    const accepted = { ...head, upgrade, persistence };
    const current = new ClientMessage(
      { accepted, request, response, socket: this.socket, early },
      this.#context,
      () => {
        this.#ended(response);
      },
    );
    this.#current = current;
    current.begin();
  }

  #ended(response: ServerResponse): void {
    if (!response.shouldKeepAlive && this.#phase === 'open') this.#phase = 'last';
    this.#current = undefined;
    this.#quietAtBytes = this.socket.bytesRead;
    if (this.socket.destroyed) return;
    this.#next();
    if (this.#context.state === 'stopping' && !this.#busy)
      this.#context.wheel.arm(this.#idleTimeout, lastRequestMs);
  }

  /** Answers a head that node:http takes and RFC 9112 doesn't. */
  #refuseRequest(code: ErrorCode, request: IncomingMessage, response: ServerResponse): void {
    this.#phase = 'last';
    const { method = '' } = request;
    const accepted = {
      method,
      target: '',
      version: '1.1',
      fields: [],
      body: { kind: 'none' },
      upgrade: undefined,
      client: this.#facts,
      persistence: 'close',
      trailers: 'unwanted',
      expectation: 'none',
    } as const;
    const step = this.#context.exchanges.refuse(code, this.#facts);
    new NodeResponseWriter(response, this.socket, accepted).answer(step, 'close');
  }

  #refuse(code: ErrorCode): void {
    this.#phase = 'last';
    if (!this.socket.writable) return;
    writeRefusal(this.socket, this.#context.exchanges.refuse(code, this.#facts), this.#context.httpDate());
    this.#linger();
  }

  #linger(): void {
    if (this.#phase === 'lingering') return;
    this.#phase = 'lingering';
    this.#context.wheel.arm(this.#idleTimeout, lingerMs);
    this.socket.on('end', () => {
      this.socket.destroy();
    });
    this.socket.end();
    this.#request?.resume();
    this.socket.resume();
  }
}

/**
 * A response for a connection that the parser has left. It does what node:http's server does for its own: passes `drain` on, and
 * closes when it is through.
 */
function detachedResponse(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on('drain', () => {
    response.emit('drain');
  });
  response.on('finish', () => {
    response.detachSocket(socket);
    socket.destroySoon();
    process.nextTick(() => {
      response.emit('close');
    });
  });
  return response;
}
