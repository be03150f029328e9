import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { sleep } from './clock.ts';
import type { Clock } from './clock.ts';

/** How the connections ended. */
export interface DrainResult {
  /** Connections that were still busy at the deadline and were cut. */
  readonly cut: number;
}

/** How {@link Drain.finish} ends what does not end by itself. */
export interface DrainLimits {
  /** Time for requests in flight and upgraded connections, counted from the moment the listener closes. */
  readonly timeoutMs: number;
  /** Called at the deadline when connections are left, so that a framework can say goodbye on them (WebSocket 1001). */
  readonly lastCall: () => Promise<void>;
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

/** How often connections that became idle without an answer of ours are looked for. */
const sweepMs = 100;
/** A client that connected and said nothing (a browser's speculative connection) is not waited for any longer than this. */
const silentGraceMs = 500;
/** Between the last call and the cut. */
const goodbyeMs = 1_000;

/**
 * Begins to follow a server's connections; works from the first connection after this call. A bare `server.close()` is not
 * enough: answers in flight still say `keep-alive`, further requests on such a connection are served as if nothing were, and
 * upgraded sockets are unknown to `closeAllConnections()`.
 */
export function createDrain(server: Server, clock: Clock): Drain {
  const sockets = new Set<Socket>();
  const responses = new Set<ServerResponse>();
  let phase: 'open' | 'announced' | 'closing' = 'open';
  /** When an answer ended that had promised to keep its connection, because it had begun before the announcement. */
  let keptAtMs = -Infinity;

  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
    });
  });
  // In front of the application's listener, which may answer at once.
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    responses.add(response);
    if (phase !== 'open') {
      response.shouldKeepAlive = false;
    }
    response.once('close', () => {
      responses.delete(response);
      if (response.shouldKeepAlive) {
        keptAtMs = clock.nowMs();
      }
    });
  });

  const announce = (): void => {
    if (phase === 'open') {
      phase = 'announced';
      for (const response of responses) {
        if (!response.headersSent) {
          response.shouldKeepAlive = false;
        }
      }
    }
  };

  return {
    announce,
    async finish({ timeoutMs, lastCall }) {
      announce();
      phase = 'closing';
      const closed = new AbortController();
      const closingAtMs = clock.nowMs();
      const whenClosed = new Promise<void>((resolve) => {
        server.close(() => {
          closed.abort();
          resolve();
        });
      });
      const sweep = async (untilMs: number): Promise<void> => {
        while (!closed.signal.aborted && clock.nowMs() < untilMs) {
          // The client may have sent its next request before it can know; that one is answered, with Connection: close.
          if (clock.nowMs() - keptAtMs >= sweepMs) {
            server.closeIdleConnections();
          }
          if (clock.nowMs() - closingAtMs >= silentGraceMs) {
            destroyAll([...sockets].filter((socket) => socket.bytesRead === 0));
          }
          await sleep(clock, Math.min(sweepMs, Math.max(1, untilMs - clock.nowMs())), closed.signal);
        }
      };
      await sweep(closingAtMs + timeoutMs);
      if (closed.signal.aborted) {
        return { cut: 0 };
      }
      const cut = sockets.size;
      void lastCall().catch(() => undefined);
      await sweep(clock.nowMs() + goodbyeMs);
      server.closeAllConnections();
      destroyAll(sockets);
      // A connection from before we looked at this server may be unknown to both; then this does not wait for it.
      await Promise.race([whenClosed, sleep(clock, goodbyeMs, closed.signal)]);
      return { cut };
    },
  };
}

function destroyAll(sockets: Iterable<Socket>): void {
  for (const socket of sockets) {
    socket.destroy();
  }
}
