import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Server } from 'node:http';

import { type CatalogLimits, createCatalogState } from './catalog-state.ts';
import { createCheckRunner } from './check-runner.ts';
import type { AgentState } from './endpoint.ts';
import { createFaultBook, type Faults } from './faults.ts';
import { probeHttp } from './http-probe.ts';
import { createHttpServer } from './http-server.ts';
import { createKvState } from './kv-state.ts';
import type { NodeFacts } from './records.ts';
import { createIndexBook } from './table-index.ts';
import { createWaiters } from './waiters.ts';

/** All optional; the defaults are a development agent. */
export interface EmbeddedConsulOptions {
  /** Default `embedded`. */
  readonly nodeName?: string;
  /** What services without an address of their own get. Default `127.0.0.1`. */
  readonly nodeAddress?: string;
  /** Default `dc1`. */
  readonly datacenter?: string;
  /** Monotonic ms; TTLs, intervals between checks and reaping go by it. Default `performance.now`. */
  readonly now?: () => number;
  /** In 0..1; the jitter of blocking queries and of first HTTP checks. Default `Math.random`. */
  readonly random?: () => number;
  /** How often TTLs are looked at. Default 100 ms. */
  readonly tickMs?: number;
  /** How often services that have been critical for too long are removed. Default 30 s, as in Consul. */
  readonly reapIntervalMs?: number;
  readonly limits?: Partial<EmbeddedConsulLimits>;
  /** Hears of every request, with path and query. Must not throw. */
  readonly onRequest?: (method: string, target: string) => void;
  /** Hears which services were removed because they had been critical for too long. Must not throw. */
  readonly onReaped?: (serviceIds: readonly string[]) => void;
}

/** What keeps a hostile or broken client from filling the process. */
export interface EmbeddedConsulLimits extends CatalogLimits {
  /** Largest request body. Default 512 KiB, Consul's for KV. → 413 */
  readonly bodyBytes: number;
  /** Blocked queries at a time. Default 4,096. → 429 */
  readonly waiters: number;
  /** Open connections. Default 8,192; further ones are closed. */
  readonly connections: number;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface EmbeddedConsulStats {
  /** Since it was made. */
  readonly requests: number;
  readonly blockedQueries: number;
  readonly connections: number;
}

/** An in-memory agent that speaks the part of Consul's HTTP API that the SDK and the gateway use. */
export interface EmbeddedConsul {
  /** Starts serving; port 0 means any. Resolves with what it got; rejects with the system error (EADDRINUSE …). */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Cuts every connection, ends every timer. What was registered stays, so that `listen` brings it back. Idempotent. */
  stop(): Promise<void>;
  /** A restart that lost everything: services, checks, keys; indexes begin low again; connections are cut. */
  reset(): void;
  /** Cuts every connection, as a crash would, and goes on serving. */
  dropConnections(): void;
  /** What goes wrong on purpose, for tests. */
  readonly faults: Faults;
  stats(): EmbeddedConsulStats;
}

const defaultLimits: EmbeddedConsulLimits = {
  bodyBytes: 512 * 1024,
  waiters: 4_096,
  connections: 8_192,
  services: 20_000,
  checks: 80_000,
};

/** Consul's own first registration of itself comes at about this index. */
const firstIndex = 10;

/** Makes an agent with nothing registered. It serves from `listen` to `stop`; its owner calls both. */
export function createEmbeddedConsul(options: EmbeddedConsulOptions = {}): EmbeddedConsul {
  const limits = { ...defaultLimits, ...options.limits };
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const node: NodeFacts = {
    id: randomUUID(),
    name: options.nodeName ?? 'embedded',
    address: options.nodeAddress ?? '127.0.0.1',
    datacenter: options.datacenter ?? 'dc1',
  };
  const waiters = createWaiters(limits.waiters);
  const faults = createFaultBook();
  let state = emptyState();
  let server: Server | undefined;
  let requests = 0;
  let connections = 0;

  function emptyState(): AgentState {
    const indexes = createIndexBook(firstIndex);
    return {
      node,
      indexes,
      catalog: createCatalogState(node, indexes, limits, waiters.notify),
      kv: createKvState(indexes, waiters.notify),
    };
  }

  const runner = createCheckRunner({
    catalog: () => state.catalog,
    now,
    random,
    probe: probeHttp,
    tickMs: options.tickMs ?? 100,
    reapIntervalMs: options.reapIntervalMs ?? 30_000,
    onReaped: (ids) => {
      options.onReaped?.(ids);
    },
  });

  function makeServer(): Server {
    const made = createHttpServer({
      state: () => state,
      waiters,
      faults,
      now,
      random,
      bodyBytes: limits.bodyBytes,
      connections: limits.connections,
      onRequest(method, target) {
        requests++;
        options.onRequest?.(method, target);
      },
    });
    // Failures to accept (too many open files) pass; those of `listen` reject it.
    made.on('error', () => undefined);
    made.on('connection', (socket) => {
      connections++;
      socket.once('close', () => {
        connections--;
      });
    });
    return made;
  }

  return {
    async listen({ host, port }) {
      if (server !== undefined) throw new Error('The embedded agent listens already; stop it first.');
      const made = makeServer();
      server = made;
      try {
        made.listen(port, host);
        await once(made, 'listening');
      } catch (error) {
        server = undefined;
        throw error;
      }
      if (server !== made) {
        made.close();
        throw new Error('The embedded agent was stopped before it listened.');
      }
      runner.start();
      const bound = made.address();
      return isSocketAddress(bound) ? { host: bound.address, port: bound.port } : { host, port };
    },
    async stop() {
      runner.stop();
      const ending = server;
      server = undefined;
      if (ending?.listening !== true) return;
      const closed = once(ending, 'close');
      ending.close();
      ending.closeAllConnections();
      await closed;
    },
    reset() {
      state = emptyState();
      server?.closeAllConnections();
    },
    dropConnections() {
      server?.closeAllConnections();
    },
    faults,
    stats: () => ({ requests, blockedQueries: waiters.size, connections }),
  };
}

function isSocketAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
