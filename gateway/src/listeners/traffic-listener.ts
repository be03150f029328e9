import { Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { ListenerLimits } from '../http/limits.ts';
import type { ClientFacts } from '../http/message.ts';
import { createHttpDate, monotonicNow } from '../lifecycle/clock.ts';
import { closeDelayMs, lastRequestMs, type Drain } from '../proxy/drain-schedule.ts';
import type { InstanceConnector } from '../proxy/ports.ts';
import { KeptBodies } from '../proxy/kept-bodies.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { clientFacts } from '../sockets/client-facts.ts';
import type { Linked } from '../sockets/linked-list.ts';
import { connectionBytes } from '../sockets/memory-budget.ts';
import type { ReadTurns } from '../sockets/paced-reads.ts';
import type { TimeoutWheel } from '../sockets/timeout-wheel.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { Admission, type GivingWay } from './admission.ts';
import type { BoundAddress, Engine, EngineOptions, EngineStats } from './engine.ts';

/** Half a second's worth of new connections on a busy edge; the kernel caps it at `somaxconn`. */
const backlog = 4_096;

/** A client connection of a listener, whatever its protocol. It ends with its socket. */
export interface ListenerConnection extends GivingWay, Linked<ListenerConnection> {
  readonly facts: ClientFacts;
  /** The listener stops: idle, it is closed after `graceMs` when no further request has come; a WebSocket is closed at its time. */
  drain(graceMs: number): void;
}

/** Called by a connection once, when its socket has closed. */
export type ConnectionClosed = (connection: ListenerConnection) => void;

/** What a listener gives each of its connections. */
export interface ConnectionParts {
  readonly client: ClientFacts;
  readonly context: ProxyContext;
  readonly onClosed: ConnectionClosed;
}

/** What makes a listener speak a protocol. */
export interface ListenerParts {
  readonly name: string;
  /** Not listening yet. Its connections are given to `accept` of the listener. */
  readonly server: Server;
  readonly wheel: TimeoutWheel;
  readonly instances: InstanceConnector;
  readonly pools: UpstreamPools;
  /** Of its connections to clients and instances. */
  readonly turns: ReadTurns;
  /** Takes over an accepted socket. */
  readonly connect: (socket: Socket, parts: ConnectionParts) => ListenerConnection;
  /** Applies limits that the server itself enforces. */
  readonly applyLimits?: (limits: ListenerLimits) => void;
}

/** Accepts client connections, bounds and counts them, and drains them. Ended by `stop`. */
export class TrafficListener implements Engine {
  readonly name: string;
  readonly #parts: ListenerParts;
  readonly #context: ProxyContext;
  readonly #connections: Admission<ListenerConnection>;
  readonly #onExhausted: EngineOptions['onExhausted'];
  #stopped: Promise<number> | undefined;
  #drain: Drain | undefined;
  readonly #onClosed: ConnectionClosed = (connection) => {
    connection.facts.logins?.close();
    this.#connections.delete(connection);
    this.#context.memory.chargeHeap(-connectionBytes);
    this.#whenClosed?.();
  };
  /** Called whenever a client connection has closed, while `stop` waits. */
  #whenClosed: (() => void) | undefined;

  constructor(parts: ListenerParts, options: EngineOptions) {
    const { exchanges, limits, memory, replayBytes, isExempt, onCrowding, onExhausted, onFault } = options;
    this.name = parts.name;
    this.#parts = parts;
    this.#onExhausted = onExhausted;
    this.#connections = new Admission({
      limits: () => this.#context.limits,
      isExempt,
      onCrowding,
      now: monotonicNow,
    });
    this.#context = {
      exchanges,
      instances: parts.instances,
      wheel: parts.wheel,
      memory,
      replayBytes,
      keptBodies: new KeptBodies(),
      closeAfterMs: () => this.#closeAfterMs(),
      httpDate: createHttpDate(),
      onFault,
      limits,
      state: 'open',
      port: 0,
      exchangesRunning: 0,
    };
    parts.applyLimits?.(limits);
    parts.server.on('connection', (socket: Socket) => {
      this.#accept(socket);
    });
  }

  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<BoundAddress> {
    return new Promise((resolve, reject) => {
      const { server } = this.#parts;
      server.once('error', reject);
      server.listen({ host, port, backlog }, () => {
        server.off('error', reject);
        // EMFILE while accepting: what waited to be accepted has been closed, and accepting goes on by itself.
        server.on('error', (error) => {
          this.#onExhausted(`a client connection could not be accepted: ${error.message}`);
        });
        const bound = server.address();
        const address =
          typeof bound === 'object' && bound !== null
            ? { host: bound.address, port: bound.port }
            : { host, port };
        this.#context.port = address.port;
        resolve(address);
      });
    });
  }

  setLimits(limits: ListenerLimits): void {
    this.#context.limits = limits;
    this.#parts.applyLimits?.(limits);
  }

  disableKeepAlive(): void {
    if (this.#context.state === 'open') this.#context.state = 'lame_duck';
  }

  stop(drainMs: number): Promise<number> {
    this.#stopped ??= this.#stop(drainMs);
    return this.#stopped;
  }

  async #stop(drainMs: number): Promise<number> {
    const { server, pools, wheel } = this.#parts;
    this.#context.state = 'stopping';
    this.#drain = { startedMs: monotonicNow(), drainMs };
    // A connection that the kernel has accepted and the process hasn't would be reset: two more turns of the loop take those in.
    await turn();
    await turn();
    for (const connection of this.#connections.connections())
      connection.drain(Math.min(lastRequestMs, drainMs / 2));
    const closed = new Promise<void>((resolve) => {
      // Not by `close` of node:http, which destroys connections with unflushed answers and ends its watch over slow heads.
      Server.prototype.close.call(server, () => {
        resolve();
      });
    });
    await this.#drained(drainMs);
    const cut = this.#context.exchangesRunning;
    for (const connection of this.#connections.connections()) connection.shutdown();
    await pools.close();
    await closed;
    await this.#allClosed();
    wheel.stop();
    // Ends the timer of a node:http server; a plain one has nothing left to close.
    server.close(() => undefined);
    return cut;
  }

  closeIdleExcept(live: ReadonlySet<string>): void {
    this.#parts.pools.closeIdleExcept(live);
  }

  leave(endpoint: Endpoint): void {
    this.#parts.pools.silent(endpoint);
  }

  stats(): EngineStats {
    return {
      clientConnections: this.#connections.size,
      exchanges: this.#context.exchangesRunning,
      upstreamConnections: this.#parts.pools.size,
    };
  }

  /** When a WebSocket is to be closed, somewhere in the later part of the drain. */
  #closeAfterMs(): number | undefined {
    return this.#drain === undefined ? undefined : closeDelayMs(this.#drain, monotonicNow(), Math.random());
  }

  #accept(socket: Socket): void {
    const context = this.#context;
    this.#parts.turns.accepted();
    const client = clientFacts(socket, context.port);
    if (context.memory.admits('connection') && this.#connections.admits(client.address)) {
      context.memory.chargeHeap(connectionBytes);
      const connection = this.#parts.connect(socket, { client, context, onClosed: this.#onClosed });
      this.#connections.add(connection, client.address);
    } else {
      socket.on('error', () => undefined);
      socket.destroy();
    }
  }

  /** Resolves when no client connection is left, or when the time is up. */
  #drained(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      void this.#allClosed().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Resolves when no client connection is left. */
  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#connections.size === 0) resolve();
      };
      this.#whenClosed = check;
      check();
    });
  }
}
