import { createServer, type Server, type Socket } from 'node:net';

import { createHttpDate } from '../../lifecycle/clock.ts';
import type { BoundAddress, Engine, EngineOptions, EngineStats } from '../engine.ts';
import { processTicker, TimeoutWheel } from '../timeout-wheel.ts';
import { ClientConnection } from './client-connection.ts';
import type { EngineContext } from './engine-context.ts';
import { ReadBuffers } from './inlet.ts';
import { UpstreamPools } from './upstream-pools.ts';

/** Half a second's worth of new connections on a busy edge; the kernel caps it at `somaxconn`. */
const backlog = 4_096;

/** While it stops, how long a connection that was accepted before may take to send its first request. */
const firstRequestMs = 1_000;

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
  /** Called whenever a client connection has closed, while `stop` waits. */
  #whenClosed: (() => void) | undefined;

  constructor({ exchanges, limits, poolIdleMs, onFault }: EngineOptions) {
    const wheel = this.#wheel;
    const buffers = new ReadBuffers();
    this.#pools = new UpstreamPools({ wheel, buffers, idleMs: poolIdleMs });
    const httpDate = createHttpDate();
    this.#context = {
      exchanges,
      limits,
      wheel,
      buffers,
      pools: this.#pools,
      httpDate,
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
    this.#context.state = 'discouraged';
    for (const client of this.#clients) if (client.idle) client.close();
  }

  stop(drainMs: number): Promise<number> {
    this.#stopped ??= this.#stop(drainMs);
    return this.#stopped;
  }

  async #stop(drainMs: number): Promise<number> {
    this.discourage();
    for (const client of this.#clients) if (client.fresh) client.hurry(firstRequestMs);
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
    await this.#settled(() => false);
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

  /** Resolves when no client connection that is left has anything under way or to say, or when the time is up. */
  #drained(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      const done = this.#settled((client) => client.idle || client.phase === 'closed');
      void done.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Resolves when every client connection that is left has come to rest. Looked at whenever one has closed. */
  #settled(atRest: (client: ClientConnection) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        for (const client of this.#clients) if (!atRest(client)) return;
        resolve();
      };
      this.#whenClosed = check;
      check();
    });
  }
}
