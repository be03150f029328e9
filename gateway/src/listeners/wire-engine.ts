import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

import { createHttpDate, monotonicNow } from '../lifecycle/clock.ts';
import { departureMs, type Drain } from '../proxy/departures.ts';
import type { BoundAddress, Engine, EngineOptions, EngineStats } from './engine.ts';
import { processTicker, TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { ClientConnection, lastRequestMs } from '../http1/client-connection.ts';
import type { EngineContext } from '../proxy/engine-context.ts';
import { ReadBuffers } from '../proxy/read-buffer.ts';
import { UpstreamPools } from '../upstreams/upstream-pools.ts';

/** Half a second's worth of new connections on a busy edge; the kernel caps it at `somaxconn`. */
const backlog = 4_096;

/**
 * The engine on bare sockets: its own HTTP/1.1, strict about what it reads and exact in what it writes. Ended by `stop`.
 */
export function createWireEngine(options: EngineOptions): Engine {
  return new WireEngine(options);
}

class WireEngine implements Engine {
  readonly name = 'wire';
  readonly #clients = new Set<ClientConnection>();
  readonly #wheel = new TimeoutWheel(processTicker);
  readonly #pools: UpstreamPools;
  readonly #context: EngineContext;
  readonly #server: Server;
  #stopped: Promise<number> | undefined;
  #drain: Drain | undefined;
  /** Called whenever a client connection has closed, while `stop` waits. */
  #whenClosed: (() => void) | undefined;

  constructor({ exchanges, limits, poolIdleMs, replayBytes, lookup, onFault }: EngineOptions) {
    const wheel = this.#wheel;
    const buffers = new ReadBuffers();
    this.#pools = new UpstreamPools({ wheel, buffers, idleMs: poolIdleMs, lookup });
    const httpDate = createHttpDate();
    this.#context = {
      exchanges,
      limits,
      wheel,
      buffers,
      pools: this.#pools,
      replayBytes,
      httpDate,
      leaveAfterMs: () => this.#leaveAfterMs(),
      onFault,
      state: 'open',
      exchangesRunning: 0,
    };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      this.#accept(socket);
    });
  }

  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<BoundAddress> {
    return new Promise((resolve, reject) => {
      const server = this.#server;
      server.once('error', reject);
      server.listen({ host, port, backlog }, () => {
        server.off('error', reject);
        // EMFILE while accepting: the kernel keeps the connection in its queue, and there is nothing else to do.
        server.on('error', () => undefined);
        const bound = server.address();
        resolve(
          typeof bound === 'object' && bound !== null
            ? { host: bound.address, port: bound.port }
            : { host, port },
        );
      });
    });
  }

  discourage(): void {
    if (this.#context.state === 'open') this.#context.state = 'discouraged';
  }

  stop(drainMs: number): Promise<number> {
    this.#stopped ??= this.#stop(drainMs);
    return this.#stopped;
  }

  async #stop(drainMs: number): Promise<number> {
    this.#context.state = 'stopping';
    this.#drain = { startedMs: monotonicNow(), drainMs };
    // A connection that the kernel has accepted and we haven't would be reset: one more turn of the loop takes those in.
    await turn();
    await turn();
    const graceMs = Math.min(lastRequestMs, drainMs / 2);
    for (const client of this.#clients) {
      client.leave();
      // Nobody can tell an idle connection from one whose next request is on its way. So it gets time for one more.
      if (client.idle || client.fresh) client.hurry(graceMs);
    }
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    await this.#drained(drainMs);
    const cut = this.#context.exchangesRunning;
    for (const client of this.#clients) client.shutdown();
    await this.#pools.close();
    await closed;
    await this.#deserted();
    this.#wheel.stop();
    return cut;
  }

  retain(live: ReadonlySet<string>): void {
    this.#pools.retain(live);
  }

  stats(): EngineStats {
    return {
      clientConnections: this.#clients.size,
      exchanges: this.#context.exchangesRunning,
      upstreamConnections: this.#pools.size,
    };
  }

  /** When a WebSocket has its turn, somewhere in the later part of the drain. */
  #leaveAfterMs(): number | undefined {
    return this.#drain === undefined ? undefined : departureMs(this.#drain, monotonicNow(), Math.random());
  }

  #accept(socket: Socket): void {
    if (this.#clients.size >= this.#context.limits.connections) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const client = new ClientConnection(socket, this.#context);
    this.#clients.add(client);
    client.socket.on('close', () => {
      this.#clients.delete(client);
      this.#whenClosed?.();
    });
  }

  /** Resolves when no client connection is left, or when the time is up. */
  #drained(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      void this.#deserted().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Resolves when no client connection is left. */
  #deserted(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#clients.size === 0) resolve();
      };
      this.#whenClosed = check;
      check();
    });
  }
}
