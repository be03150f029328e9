import type { LookupFunction } from 'node:net';

import { type Endpoint, endpointKey } from '@roundhouse/agent-sdk/internal';

import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptStep } from '../exchange/seam.ts';
import type { ClientFacts } from '../http/message.ts';
import { OwnConnections } from './own-connections.ts';
import type { ReadBuffers } from '../sockets/read-buffer.ts';
import type { TimeoutWheel } from '../sockets/timeout-wheel.ts';
import { UpstreamConnection, type UpstreamContext } from './upstream-connection.ts';

export interface UpstreamPoolsOptions {
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  readonly lookup: LookupFunction;
  /** Connections at a time; above it, idle ones are given up for a new one. */
  readonly maxConnections: number;
  /** Hears what has run out, in words. Must not throw. */
  readonly onExhausted: (why: string) => void;
}

/** What a connection is wanted for. */
export type Lending = Pick<AttemptStep, 'endpoint' | 'identity' | 'connection'>;

/** A connection is closed this long before the moment at which the instance has said that it closes it (`Keep-Alive: timeout=`). */
const keepAliveMarginMs = 1_000;

/**
 * All connections to instances: per endpoint a stack of idle ones, last in first out, so that surplus ones age out. An endpoint is
 * the same object as long as id, address and port stay the same. Ended by `close`.
 */
export class UpstreamPools {
  readonly #idle = new Map<Endpoint, UpstreamConnection[]>();
  readonly #all = new Set<UpstreamConnection>();
  readonly #idleMs: number;
  readonly #maxConnections: number;
  readonly #onExhausted: (why: string) => void;
  readonly #context: UpstreamContext;
  #state: 'open' | 'closed' = 'open';
  #whenEmpty: (() => void) | undefined;

  constructor({ wheel, buffers, idleMs, lookup, maxConnections, onExhausted }: UpstreamPoolsOptions) {
    this.#idleMs = idleMs;
    this.#maxConnections = maxConnections;
    this.#onExhausted = onExhausted;
    this.#context = {
      wheel,
      buffers,
      lookup,
      exhausted: (why) => {
        this.#shed();
        onExhausted(why);
      },
      closed: (connection) => {
        this.#forget(connection);
      },
    };
  }

  /** Connections open or being opened. */
  get size(): number {
    return this.#all.size;
  }

  /**
   * A connection for an attempt: an idle one on which its `identity` has answered, or a new one; the caller becomes its user at once.
   * `fresh` closes the idle ones of the endpoint first: one of them has just turned out to be dead, and the others are as old.
   * An error code when there can be none: the registry's address or port is impossible, the pools are closed, or all connections that
   * there may be are in use. A `client` that has logged in to the endpoint gets its own connection (R51).
   */
  lend({ endpoint, identity, connection }: Lending, { logins }: ClientFacts): UpstreamConnection | ErrorCode {
    const own = logins instanceof OwnConnections ? logins.take(endpoint) : undefined;
    if (own !== undefined && connection === 'any' && (identity === undefined || own.identity === identity))
      return own;
    own?.destroy();
    if (connection === 'fresh') this.#closeIdle(endpoint);
    return this.#take(endpoint, identity) ?? this.#open(endpoint, identity);
  }

  /** A login comes over a connection: from now on it belongs to the connection of that client. */
  own(connection: UpstreamConnection, client: ClientFacts): void {
    client.logins ??= new OwnConnections();
    if (client.logins instanceof OwnConnections) client.logins.add(connection);
  }

  #take(endpoint: Endpoint, identity: string | undefined): UpstreamConnection | undefined {
    const stack = this.#idle.get(endpoint);
    if (stack === undefined) return undefined;
    for (let connection = stack.pop(); connection !== undefined; connection = stack.pop()) {
      if (connection.phase !== 'open') continue;
      if (identity === undefined || connection.identity === identity) return connection;
      connection.destroy();
    }
    return undefined;
  }

  #open(endpoint: Endpoint, identity: string | undefined): UpstreamConnection | ErrorCode {
    if (this.#state === 'closed') return 'connect_failed';
    if (this.#all.size >= this.#maxConnections && !this.#shed()) {
      this.#onExhausted(`all ${this.#maxConnections} connections to instances are in use`);
      return 'exhausted';
    }
    try {
      const connection = new UpstreamConnection(endpoint, identity, this.#context);
      this.#all.add(connection);
      return connection;
    } catch {
      // `net.connect` throws for a port out of range.
      return 'connect_failed';
    }
  }

  /** Tells the users of an endpoint's connections that it is silent. */
  silent(endpoint: Endpoint): void {
    for (const connection of this.#all) if (connection.endpoint === endpoint) connection.silent();
  }

  /**
   * Takes back a connection on which both messages are complete. `keepAliveSeconds`: what the instance said it will wait; −1
   * when it said nothing.
   */
  giveBack(connection: UpstreamConnection, keepAliveSeconds: number): void {
    const hintMs = keepAliveSeconds === -1 ? this.#idleMs : keepAliveSeconds * 1000 - keepAliveMarginMs;
    const idleMs = Math.min(this.#idleMs, hintMs);
    const { endpoint } = connection;
    connection.settle();
    connection.history = 'reused';
    if (
      !connection.reusable ||
      this.#state === 'closed' ||
      idleMs <= 0 ||
      endpoint.phase === 'draining' ||
      connection.phase !== 'open' ||
      connection.socket.refused !== 'no'
    ) {
      connection.destroy();
      return;
    }
    this.#context.wheel.arm(connection.timeout, idleMs);
    if (connection.owner !== undefined) return;
    const stack = this.#idle.get(endpoint);
    if (stack === undefined) this.#idle.set(endpoint, [connection]);
    else stack.push(connection);
  }

  #closeIdle(endpoint: Endpoint): void {
    const stack = this.#idle.get(endpoint) ?? [];
    this.#idle.delete(endpoint);
    for (const connection of stack) connection.destroy();
  }

  /** Closes the idle connections of endpoints that are not in `live`; those in use are closed when they are given back. */
  closeIdleExcept(live: ReadonlySet<string>): void {
    for (const connection of this.#all) {
      if (live.has(endpointKey(connection.endpoint.instance))) continue;
      connection.reusable = false;
      if (connection.user === undefined) connection.destroy();
    }
  }

  /** Closes every connection, used or not; resolves when no socket is left. */
  close(): Promise<void> {
    this.#state = 'closed';
    this.#idle.clear();
    for (const connection of this.#all) connection.destroy();
    if (this.#all.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** Gives up the idle connections that have waited longest: half of those to each endpoint. Returns whether there were any. */
  #shed(): boolean {
    let shed = false;
    for (const stack of this.#idle.values()) {
      for (const connection of stack.splice(0, Math.ceil(stack.length / 2))) {
        shed = true;
        // Its descriptor is free at once, its `close` comes later.
        this.#all.delete(connection);
        connection.destroy();
      }
    }
    if (shed) return true;
    for (const connection of this.#all) {
      if (connection.owner === undefined || connection.user !== undefined) continue;
      shed = true;
      this.#all.delete(connection);
      connection.destroy();
    }
    return shed;
  }

  #forget(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const stack = this.#idle.get(connection.endpoint);
    const at = stack?.indexOf(connection) ?? -1;
    if (at !== -1) stack?.splice(at, 1);
    if (stack?.length === 0) this.#idle.delete(connection.endpoint);
    if (this.#all.size === 0) this.#whenEmpty?.();
  }
}
