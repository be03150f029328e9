import type { LookupFunction } from 'node:net';

import { type Endpoint, endpointKey } from '@roundhouse/agent-sdk/internal';

import type { AttemptStep } from '../exchange/seam.ts';
import type { ReadBuffers } from '../sockets/read-buffer.ts';
import type { TimeoutWheel } from '../sockets/timeout-wheel.ts';
import { UpstreamConnection, type UpstreamContext } from './upstream-connection.ts';

export interface UpstreamPoolsOptions {
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  readonly lookup: LookupFunction;
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
  readonly #context: UpstreamContext;
  #state: 'open' | 'closed' = 'open';
  #whenEmpty: (() => void) | undefined;

  constructor({ wheel, buffers, idleMs, lookup }: UpstreamPoolsOptions) {
    this.#idleMs = idleMs;
    this.#context = {
      wheel,
      buffers,
      lookup,
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
   * Undefined when there can be none: the registry's address or port is impossible, or the pools are closed.
   */
  lend({ endpoint, identity, connection }: Lending): UpstreamConnection | undefined {
    if (connection === 'fresh') this.#closeIdle(endpoint);
    return this.#take(endpoint, identity) ?? this.#open(endpoint, identity);
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

  #open(endpoint: Endpoint, identity: string | undefined): UpstreamConnection | undefined {
    if (this.#state === 'closed') return undefined;
    try {
      const connection = new UpstreamConnection(endpoint, identity, this.#context);
      this.#all.add(connection);
      return connection;
    } catch {
      // `net.connect` throws for a port out of range; the caller answers `connect_failed`.
      return undefined;
    }
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
      connection.phase !== 'open'
    ) {
      connection.destroy();
      return;
    }
    this.#context.wheel.arm(connection.timeout, idleMs);
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

  #forget(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const stack = this.#idle.get(connection.endpoint);
    const at = stack?.indexOf(connection) ?? -1;
    if (at !== -1) stack?.splice(at, 1);
    if (stack?.length === 0) this.#idle.delete(connection.endpoint);
    if (this.#all.size === 0) this.#whenEmpty?.();
  }
}
