import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { ClientFacts } from '../exchange/seam.ts';
import type { ListenerLimits } from '../listeners/engine.ts';
import { holdEarlyBytes, type EarlyBytes } from './early-bytes.ts';
import type { ClientMessage } from './client-side.ts';
import { createExchangeRun, type ExchangeRun, type RunContext } from './exchange-run.ts';
import { readHead } from './request-head.ts';
import { writeAnswer, writeRefusal } from './response-writer.ts';
import { WheelTimer } from './wheel-timer.ts';

/** Requests that may wait behind the one in progress. A client that sends more without reading is cut. */
const pipelined = 64;

/** After the last answer the client's bytes are read and dropped for this long, so that no reset overtakes the answer (RFC 9112 §9.6). */
const lingerMs = 2_000;

/** While the engine stops, how long a connection may take to send one more request, whose answer says that it was the last. */
export const lastRequestMs = 1_000;

export interface ConnectionContext extends RunContext {
  readonly limits: ListenerLimits;
}

/** One connection of a client: its requests in order, one exchange at a time (RFC 9112 §9.3.2), and its end. */
export interface ClientConnection {
  /** The parser has read a head. */
  request(request: IncomingMessage, response: ServerResponse): void;
  /** The parser has read a head and left the connection; `head` are the bytes behind it. */
  left(request: IncomingMessage, head: Buffer): void;
  /** The parser can't go on. */
  broken(code: ErrorCode | 'gone'): void;
  /** `unused`: nothing has come yet. `idle`: between exchanges. `busy`: in an exchange, or in the middle of a head. */
  state(): 'unused' | 'idle' | 'busy';
  exchanges(): number;
  /** The engine stops: idle, it is closed after `idleMs` when no further request has come; a WebSocket leaves when it has its turn. */
  leave(idleMs: number): void;
  /** Closes it; exchanges are told that it was the gateway. Returns how many that were. */
  cut(): number;
}

type Waiting =
  | {
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      readonly early: EarlyBytes | undefined;
    }
  | { readonly refusal: ErrorCode };

/** Takes over a connection that node:http has accepted. It ends with the socket. */
export function createClientConnection(socket: Socket, context: ConnectionContext): ClientConnection {
  return new Connection(socket, context);
}

class Connection implements ClientConnection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #client: ClientFacts;
  readonly #waiting: Waiting[] = [];
  #run: ExchangeRun | undefined;
  #request: IncomingMessage | undefined;
  /** `last`: the answer at hand is the last one; nothing behind it is taken. */
  #phase: 'open' | 'last' | 'lingering' = 'open';
  /** Bytes read when the last exchange ended; more since then are the beginning of another head. */
  #quietAtBytes = 0;
  readonly #patience: WheelTimer;

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#client = {
      address: (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''),
      port: socket.remotePort ?? 0,
      scheme: 'http',
      localPort: socket.localPort ?? 0,
    };
    // node:http writes some heads without naming an encoding: bytes 0x80–0xff would come out as UTF-8 (RFC 9110 §5.5).
    socket.setDefaultEncoding('latin1');
    // node:http closes after the last response with this, at once; unread bytes would then reset the connection.
    const close = socket.destroySoon.bind(socket);
    socket.destroySoon = () => {
      if (this.#request === undefined || this.#request.complete) close();
      else this.#linger();
    };
    this.#patience = new WheelTimer(context.wheel, () => {
      if (this.state() !== 'busy') socket.destroySoon();
    });
    socket.on('close', () => {
      this.#waiting.length = 0;
      this.#patience.end();
    });
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    this.#take({ request, response, early: undefined });
  }

  left(request: IncomingMessage, head: Buffer): void {
    // The parser's listeners are gone, and with them the one that keeps an error from ending the process.
    this.#socket.on('error', () => undefined);
    this.#socket.setTimeout(0);
    const early = holdEarlyBytes(this.#socket, head);
    if (this.#run !== undefined) {
      // CONNECT behind another request, whose response has lost its connection with the parser.
      this.#socket.destroy();
      return;
    }
    this.#take({ request, response: detachedResponse(request, this.#socket), early });
  }

  broken(code: ErrorCode | 'gone'): void {
    if (code === 'gone') {
      this.#socket.destroy();
    } else if (this.#phase !== 'open') {
      return;
    } else if (this.#run !== undefined && this.#request?.complete === false) {
      this.#phase = 'last';
      this.#run.bodyBroken(code);
    } else if (code === 'request_timeout' && this.#socket.bytesRead === 0) {
      this.#socket.destroy();
    } else {
      this.#take({ refusal: code });
    }
  }

  state(): 'unused' | 'idle' | 'busy' {
    if (this.#run !== undefined || this.#waiting.length > 0 || this.#phase !== 'open') return 'busy';
    if (this.#request === undefined) return 'unused';
    return this.#socket.bytesRead === this.#quietAtBytes && this.#socket.writableLength === 0
      ? 'idle'
      : 'busy';
  }

  exchanges(): number {
    return this.#run === undefined ? 0 : 1;
  }

  leave(idleMs: number): void {
    const departsInMs = this.#context.departsInMs();
    if (this.#run !== undefined && departsInMs !== undefined) this.#run.leaveAfter(departsInMs);
    // Nobody can tell an idle connection from one whose next request is on its way.
    if (this.state() !== 'busy') this.#patience.set(idleMs);
  }

  cut(): number {
    const cut = this.exchanges();
    this.#waiting.length = 0;
    this.#run?.cut('shutdown');
    this.#socket.destroy();
    return cut;
  }

  #take(next: Waiting): void {
    if (this.#phase !== 'open') return;
    this.#waiting.push(next);
    if (this.#waiting.length > pipelined) this.#socket.destroy();
    else if (this.#run === undefined) this.#next();
  }

  #next(): void {
    const next = this.#phase === 'open' ? this.#waiting.shift() : undefined;
    if (next === undefined) return;
    if ('refusal' in next) {
      this.#refuse(next.refusal);
      return;
    }
    const { request, response, early } = next;
    this.#request = request;
    const head = readHead(request, this.#client, this.#context.limits);
    if (typeof head === 'string') {
      this.#phase = 'last';
      const { method = '' } = request;
      writeAnswer(
        response,
        this.#context.exchanges.refuse(head, this.#client),
        { method, version: '1.1' },
        'close',
      );
      return;
    }
    // After an upgrade that it doesn't take, node:http loses the bytes behind the request.
    const persistence = head.upgrade !== undefined && early === undefined ? 'close' : 'keep';
    // One with a body stays visible as an upgrade, for the exchange to refuse (R29).
    const upgrade = early === undefined && head.body.kind === 'none' ? undefined : head.upgrade;
    const message: ClientMessage = {
      head: { ...head, upgrade },
      request,
      response,
      socket: this.#socket,
      early,
      persistence,
    };
    this.#run = createExchangeRun(this.#context, message, () => {
      this.#ended();
    });
    this.#run.start();
  }

  #ended(): void {
    if (this.#run?.persistence() === 'close' && this.#phase === 'open') this.#phase = 'last';
    this.#run = undefined;
    this.#quietAtBytes = this.#socket.bytesRead;
    this.#next();
    if (this.#context.departsInMs() !== undefined && this.state() === 'idle')
      this.#patience.set(lastRequestMs);
  }

  #refuse(code: ErrorCode): void {
    this.#phase = 'last';
    if (!this.#socket.writable) return;
    writeRefusal(this.#socket, this.#context.exchanges.refuse(code, this.#client));
    this.#linger();
  }

  #linger(): void {
    if (this.#phase === 'lingering') return;
    this.#phase = 'lingering';
    const socket = this.#socket;
    const timer = new WheelTimer(this.#context.wheel, () => {
      socket.destroy();
    });
    timer.set(lingerMs);
    socket.on('close', () => {
      timer.end();
    });
    socket.on('end', () => {
      socket.destroy();
    });
    socket.end();
    this.#request?.resume();
    socket.resume();
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
