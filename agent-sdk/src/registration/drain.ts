import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

import { type Clock, sleep } from './clock.ts';
import { interceptEvents } from './server-events.ts';
import { cutShare, timeLimits } from './time-limits.ts';

/**
 * Follows the connections of one server, from the first connection after its creation, so that the server can be closed without
 * failing a request. A bare `server.close()` is not enough: answers in flight still say `keep-alive`, further requests on such a
 * connection are served as before, and upgraded sockets are unknown to `closeAllConnections()`.
 */
export class ConnectionDrain {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();
  readonly #responses = new Set<ServerResponse>();
  readonly #upgraded = new Set<Socket>();
  /** Sockets that were cut and may still be sending what was written to them. */
  readonly #cut = new Set<Socket>();
  /** Bytes that had come at the last look. */
  readonly #readBefore = new WeakMap<Socket, number>();
  #keepAlive = true;
  /** When a response ended that had promised to keep its connection, because it had begun before keep-alive was disabled. */
  #keptAtMs = -Infinity;
  #releaseClose: () => void = () => undefined;

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    server.on('connection', (socket: Socket) => {
      follow(this.#sockets, socket);
    });
    interceptEvents(server, (event, [, subject]) => {
      if ((event === 'upgrade' || event === 'connect') && subject instanceof Socket)
        follow(this.#upgraded, subject);
      // Where the application wants to decide on `Expect: 100-continue` itself, there is no `request`.
      else if (event === 'checkContinue' && subject instanceof ServerResponse)
        this.#add(subject as ServerResponse);
      return false;
    });
    // In front of the application's listener, which may answer at once.
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      this.#add(response);
    });
  }

  /**
   * From now on every answer says `Connection: close`, those to requests already in flight included, while the server still
   * accepts. Clients move away by themselves, which closes connections without the race that cutting idle ones has.
   */
  disableKeepAlive(): void {
    if (!this.#keepAlive) return;
    this.#keepAlive = false;
    for (const response of this.#responses) if (!response.headersSent) response.shouldKeepAlive = false;
  }

  /**
   * Until {@link finish}, other code that closes the server (the shutdown hooks of a framework) only tells `closed`. The listener
   * stays, and the callback is called when it has closed.
   */
  holdClose(closed: () => void): void {
    const server = this.#server;
    this.#releaseClose = override(server, 'close', (callback) => {
      if (callback !== undefined) {
        server.once('close', () => {
          callback();
        });
      }
      closed();
      return server;
    });
  }

  /**
   * Stops accepting and waits for all connections to end. Upgraded ones that are left towards the end of `timeoutMs` are cut a
   * few at a time, the rest at the end. Resolves with the number that were cut. Never rejects. Call once.
   *
   * `closeFramework` lets endless answers and WebSockets say goodbye. It is called as soon as no connection is left on which a
   * further request could come, since Fastify answers 503 to all that come after it. Its failure is ignored here.
   */
  async finish(timeoutMs: number, closeFramework: () => Promise<void>): Promise<number> {
    const clock = this.#clock;
    this.disableKeepAlive();
    this.#releaseClose();
    const closed = new AbortController();
    const isClosed = (): boolean => closed.signal.aborted;
    closeListener(this.#server, () => {
      closed.abort();
    });
    const sinceMs = clock.nowMs();
    const elapsedMs = (): number => clock.nowMs() - sinceMs;
    let isFrameworkClosing = false;
    while (!isClosed() && elapsedMs() < timeoutMs) {
      const isQuiet = this.#isQuiet();
      if (isQuiet) this.#server.closeIdleConnections();
      const mayClose = isQuiet && ![...this.#responses].some((response) => response.shouldKeepAlive);
      if (!isFrameworkClosing && (mayClose || elapsedMs() >= timeLimits.frameworkCloseLatestMs)) {
        isFrameworkClosing = true;
        void closeFramework().catch(() => undefined);
      }
      if (elapsedMs() >= timeLimits.silentClientMs)
        for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
      const leftMs = Math.max(1, timeoutMs - elapsedMs());
      const isEnding = leftMs <= timeoutMs * cutShare;
      const sweepMs = timeLimits.sweepMs * (isEnding ? 0.5 + clock.random() : 1);
      const pauseMs = Math.min(sweepMs, leftMs);
      if (isEnding) this.#cutUpgraded(pauseMs / leftMs);
      await sleep(clock, pauseMs, closed.signal);
    }
    if (!isClosed()) {
      for (const socket of this.#sockets) this.#cut.add(socket);
      this.#server.closeAllConnections();
      for (const socket of this.#sockets) socket.destroy();
      // A connection that was open before this drain was created may be unknown to both; it is not waited for.
      await sleep(clock, timeLimits.destroyedMs, closed.signal);
    }
    return this.#cut.size;
  }

  /**
   * Whether no request can be on its way: a client may have sent one on a connection that looks idle here, or after a response
   * that promised to keep its connection. That request is answered, with `Connection: close`.
   */
  #isQuiet(): boolean {
    const busy = new Set([...this.#responses].map((response) => response.socket));
    let moved = false;
    for (const socket of this.#sockets) {
      if (
        !busy.has(socket) &&
        !this.#upgraded.has(socket) &&
        this.#readBefore.get(socket) !== socket.bytesRead
      )
        moved = true;
      this.#readBefore.set(socket, socket.bytesRead);
    }
    return !moved && this.#clock.nowMs() - this.#keptAtMs >= timeLimits.sweepMs;
  }

  /** Cuts an even share of the upgraded connections, chosen at random. What was written to them still goes out. */
  #cutUpgraded(share: number): void {
    const order = [...this.#upgraded].map((socket) => ({ socket, rank: this.#clock.random() }));
    order.sort((a, b) => a.rank - b.rank);
    for (const { socket } of order.slice(0, Math.ceil(order.length * share))) {
      this.#upgraded.delete(socket);
      this.#cut.add(socket);
      socket.destroySoon();
    }
  }

  #add(response: ServerResponse): void {
    if (this.#responses.has(response)) return;
    this.#responses.add(response);
    if (!this.#keepAlive) response.shouldKeepAlive = false;
    response.once('close', () => {
      this.#responses.delete(response);
      if (response.shouldKeepAlive) this.#keptAtMs = this.#clock.nowMs();
    });
  }
}

function follow(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.once('close', () => {
    sockets.delete(socket);
  });
}

/**
 * Stops accepting, and nothing else: `close()` of Node's server also destroys connections that look idle, at which moment a
 * request may be on its way.
 */
function closeListener(server: Server, closed: () => void): void {
  const restore = override(server, 'closeIdleConnections', () => undefined);
  try {
    server.close(closed);
  } finally {
    restore();
  }
}

/** Replaces a method of one server. Returns what puts back the one before. */
function override<K extends 'close' | 'closeIdleConnections'>(
  server: Server,
  name: K,
  method: Server[K],
): () => void {
  const own = Object.getOwnPropertyDescriptor(server, name);
  server[name] = method;
  return () => {
    Reflect.deleteProperty(server, name);
    if (own !== undefined) Object.defineProperty(server, name, own);
  };
}
