import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

import { type Clock, sleep } from './clock.ts';
import { interceptEvents } from './server-events.ts';
import { cutShare, timeLimits } from './time-limits.ts';

/** Follows the connections of one server, so that it can be closed without failing a request. */
export interface ConnectionDrain {
  /**
   * From now on every answer says `Connection: close`, those to requests already in flight included, while the server still
   * accepts. Clients move away by themselves, which closes connections without the race that cutting idle ones has.
   */
  disableKeepAlive(): void;
  /**
   * Stops accepting and waits for all connections to end. Upgraded ones that are left towards the end of `timeoutMs` are cut a
   * few at a time, the rest at the end. Resolves with the number that were cut. Never rejects. Call once.
   *
   * `closeFramework` lets endless answers and WebSockets say goodbye. It is called as soon as no connection is left on which a
   * further request could come, since Fastify answers 503 to all that come after it. Its failure is ignored here.
   */
  finish(timeoutMs: number, closeFramework: () => Promise<void>): Promise<number>;
}

/**
 * Begins to follow a server's connections; works from the first connection after this call. A bare `server.close()` is not
 * enough: answers in flight still say `keep-alive`, further requests on such a connection are served as before, and upgraded
 * sockets are unknown to `closeAllConnections()`.
 */
export function createDrain(server: Server, clock: Clock): ConnectionDrain {
  const connections = new Connections(server, clock);
  return {
    disableKeepAlive: () => {
      connections.disableKeepAlive();
    },
    async finish(timeoutMs, closeFramework) {
      connections.disableKeepAlive();
      const closed = new AbortController();
      const isClosed = (): boolean => closed.signal.aborted;
      closeListener(server, () => {
        closed.abort();
      });
      const sinceMs = clock.nowMs();
      const elapsedMs = (): number => clock.nowMs() - sinceMs;
      let isFrameworkClosing = false;
      let cut = 0;
      while (!isClosed() && elapsedMs() < timeoutMs) {
        const isQuiet = connections.isQuiet();
        if (isQuiet) server.closeIdleConnections();
        const mayClose = isQuiet && !connections.hasKeptResponses();
        if (!isFrameworkClosing && (mayClose || elapsedMs() >= timeLimits.frameworkCloseLatestMs)) {
          isFrameworkClosing = true;
          void closeFramework().catch(() => undefined);
        }
        if (elapsedMs() >= timeLimits.silentClientMs) connections.destroySilent();
        const leftMs = Math.max(1, timeoutMs - elapsedMs());
        const isEnding = leftMs <= timeoutMs * cutShare;
        const sweepMs = timeLimits.sweepMs * (isEnding ? 0.5 + clock.random() : 1);
        const pauseMs = Math.min(sweepMs, leftMs);
        if (isEnding) cut += connections.cutUpgraded(pauseMs / leftMs);
        await sleep(clock, pauseMs, closed.signal);
      }
      if (isClosed()) return cut;
      cut += connections.destroyAll();
      // A connection that was open before `createDrain` may be unknown to both; it is not waited for.
      await sleep(clock, timeLimits.destroyedMs, closed.signal);
      return cut;
    },
  };
}

/** What is connected to a server and what it is doing. Updated with every request. */
class Connections {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();
  readonly #responses = new Set<ServerResponse>();
  readonly #upgraded = new Set<Socket>();
  /** Sockets that were cut and may still be sending what was written to them. */
  readonly #cut = new WeakSet<Socket>();
  /** Bytes that had come at the last look. */
  readonly #readBefore = new WeakMap<Socket, number>();
  #keepAlive = true;
  /** When a response ended that had promised to keep its connection, because it had begun before keep-alive was disabled. */
  #keptAtMs = -Infinity;

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

  disableKeepAlive(): void {
    if (!this.#keepAlive) return;
    this.#keepAlive = false;
    for (const response of this.#responses) if (!response.headersSent) response.shouldKeepAlive = false;
  }

  /**
   * Whether no request can be on its way: a client may have sent one on a connection that looks idle here, or after a response
   * that promised to keep its connection. That request is answered, with `Connection: close`.
   */
  isQuiet(): boolean {
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

  /** Whether a response is under way after which its connection stays open. */
  hasKeptResponses(): boolean {
    return [...this.#responses].some((response) => response.shouldKeepAlive);
  }

  /** Destroys the connections of clients that never sent anything. */
  destroySilent(): void {
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  /** Cuts an even share of the upgraded connections, chosen at random. What was written to them still goes out. */
  cutUpgraded(share: number): number {
    const order = [...this.#upgraded].map((socket) => ({ socket, rank: this.#clock.random() }));
    order.sort((a, b) => a.rank - b.rank);
    const chosen = order.slice(0, Math.ceil(order.length * share));
    for (const { socket } of chosen) {
      this.#upgraded.delete(socket);
      this.#cut.add(socket);
      socket.destroySoon();
    }
    return chosen.length;
  }

  /** Cuts all that is left; returns how many were not cut before. */
  destroyAll(): number {
    const left = [...this.#sockets];
    this.#server.closeAllConnections();
    for (const socket of left) socket.destroy();
    return left.filter((socket) => !this.#cut.has(socket)).length;
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
  const own = Object.getOwnPropertyDescriptor(server, 'closeIdleConnections');
  server.closeIdleConnections = () => undefined;
  try {
    server.close(closed);
  } finally {
    Reflect.deleteProperty(server, 'closeIdleConnections');
    if (own !== undefined) Object.defineProperty(server, 'closeIdleConnections', own);
  }
}
