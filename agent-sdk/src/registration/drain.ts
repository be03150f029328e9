import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

import { type Clock, sleep } from './clock.ts';
import { interceptEmissions } from './emissions.ts';

/** How the connections ended. */
export interface DrainResult {
  /** Connections that were still busy towards the end and were cut: upgraded ones a few at a time, the rest at the deadline. */
  readonly cut: number;
}

/** How {@link Drain.finish} ends what does not end by itself. */
export interface DrainLimits {
  /** Time for requests in flight and upgraded connections, counted from the moment the listener closes. */
  readonly timeoutMs: number;
  /**
   * The framework's own end, which lets endless answers and WebSockets say goodbye. Called once the listener is closed, as soon
   * as no connection is left on which a further request could come, since Fastify answers 503 to all that come after it.
   */
  readonly goodbye: (() => Promise<void>) | undefined;
}

/** Follows the connections of one server, so that it can be closed without failing a request. */
export interface Drain {
  /**
   * From now on every answer says `Connection: close`, those to requests already in flight included, while the server still
   * accepts. Clients move away by themselves, which closes connections without the race that cutting idle ones has.
   */
  readonly announce: () => void;
  /** Stops accepting and waits for all connections to end; cuts the rest at the deadline. Never rejects. Call once. */
  readonly finish: (limits: DrainLimits) => Promise<DrainResult>;
}

/** How often connections that became idle are looked for; one counts as idle when nothing has come on it since the last look. */
const sweepMs = 100;
/** A client that connected and said nothing (a browser's speculative connection) is not waited for any longer than this. */
const silentGraceMs = 500;
/** Endless answers that began before the announcement look like requests that may be followed by another: not waited for longer. */
const goodbyeLatestMs = 1_000;
/** The part of the time, at its end, over which upgraded connections are cut, so that their clients don't all come back at once. */
const cutShare = 0.3;
/** For the server to notice that its last sockets were destroyed. */
const cutMs = 1_000;

/**
 * Begins to follow a server's connections; works from the first connection after this call. A bare `server.close()` is not
 * enough: answers in flight still say `keep-alive`, further requests on such a connection are served as if nothing were, and
 * upgraded sockets are unknown to `closeAllConnections()`.
 */
export function createDrain(server: Server, clock: Clock): Drain {
  const sockets = new Set<Socket>();
  const responses = new Set<ServerResponse>();
  const upgraded = new Set<Socket>();
  /** Bytes that had come at the last sweep. */
  const readBefore = new WeakMap<Socket, number>();
  let phase: 'open' | 'announced' | 'closing' = 'open';
  /** When an answer ended that had promised to keep its connection, because it had begun before the announcement. */
  let keptAtMs = -Infinity;

  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
    });
  });
  const follow = (response: ServerResponse): void => {
    if (responses.has(response)) return;
    responses.add(response);
    if (phase !== 'open') response.shouldKeepAlive = false;
    response.once('close', () => {
      responses.delete(response);
      if (response.shouldKeepAlive) keptAtMs = clock.nowMs();
    });
  };
  interceptEmissions(server, (event, [, subject]) => {
    if ((event === 'upgrade' || event === 'connect') && subject instanceof Socket) {
      upgraded.add(subject);
      subject.once('close', () => {
        upgraded.delete(subject);
      });
    } else if (event === 'checkContinue' && subject instanceof ServerResponse) {
      // Where the application wants to decide on `Expect: 100-continue` itself, there is no `request`.
      follow(subject as ServerResponse);
    }
    return 'pass';
  });
  // In front of the application's listener, which may answer at once.
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    follow(response);
  });

  const announce = (): void => {
    if (phase === 'open') {
      phase = 'announced';
      for (const response of responses) if (!response.headersSent) response.shouldKeepAlive = false;
    }
  };

  /** Whether no request can be on its way: a client may have sent one on a connection that looks idle to us. */
  const quiet = (): boolean => {
    const busy = new Set([...responses].map((response) => response.socket));
    let moved = false;
    for (const socket of sockets) {
      if (!busy.has(socket) && !upgraded.has(socket) && readBefore.get(socket) !== socket.bytesRead)
        moved = true;
      readBefore.set(socket, socket.bytesRead);
    }
    return !moved;
  };

  /** Cuts an even share of the upgraded connections, any of them. What was written to them still goes out. */
  const cutSome = (share: number): readonly Socket[] => {
    const order = [...upgraded].map((socket) => ({ socket, rank: clock.random() }));
    order.sort((a, b) => a.rank - b.rank);
    const chosen = order.slice(0, Math.ceil(order.length * share)).map(({ socket }) => socket);
    for (const socket of chosen) {
      upgraded.delete(socket);
      socket.destroySoon();
    }
    return chosen;
  };

  return {
    announce,
    async finish({ timeoutMs, goodbye }) {
      announce();
      phase = 'closing';
      const closed = new AbortController();
      const sinceMs = clock.nowMs();
      const elapsedMs = () => clock.nowMs() - sinceMs;
      const whenClosed = new Promise<void>((resolve) => {
        closeListener(server, () => {
          closed.abort();
          resolve();
        });
      });
      const cut = new Set<Socket>();
      let farewell: 'due' | 'said' = goodbye === undefined ? 'said' : 'due';
      while (!closed.signal.aborted && elapsedMs() < timeoutMs) {
        const kept = [...responses].some((response) => response.shouldKeepAlive);
        // The client may have sent its next request before it can know; that one is answered, with Connection: close.
        const settled = quiet() && clock.nowMs() - keptAtMs >= sweepMs;
        if (settled) server.closeIdleConnections();
        if (farewell === 'due' && ((settled && !kept) || elapsedMs() >= goodbyeLatestMs)) {
          farewell = 'said';
          void goodbye?.().catch(() => undefined);
        }
        if (elapsedMs() >= silentGraceMs) destroyAll([...sockets].filter((socket) => socket.bytesRead === 0));
        const leftMs = Math.max(1, timeoutMs - elapsedMs());
        const ending = leftMs <= timeoutMs * cutShare;
        const pauseMs = Math.min(ending ? sweepMs * (0.5 + clock.random()) : sweepMs, leftMs);
        if (ending) for (const socket of cutSome(pauseMs / leftMs)) cut.add(socket);
        await sleep(clock, pauseMs, closed.signal);
      }
      if (closed.signal.aborted) return { cut: cut.size };
      for (const socket of sockets) cut.add(socket);
      server.closeAllConnections();
      destroyAll(sockets);
      // A connection from before we looked at this server may be unknown to both; then this does not wait for it.
      await Promise.race([whenClosed, sleep(clock, cutMs, closed.signal)]);
      return { cut: cut.size };
    },
  };
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

function destroyAll(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.destroy();
}
