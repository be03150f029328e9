import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';

import { AgentCatalog, type CatalogLimits } from './agent-catalog.ts';
import { createBlockedQueries } from './blocked-queries.ts';
import { createCheckRunner } from './check-runner.ts';
import { probeHttp } from './http-probe.ts';
import { createHttpServer } from './http-server.ts';
import { KeyValueStore } from './key-values.ts';
import type { AgentState } from './operation.ts';
import type { NodeFacts } from './records.ts';

/** All optional; the defaults are a development agent. */
export interface EmbeddedConsulOptions {
  /** Monotonic ms; TTLs, intervals of checks and removals go by it. Default `performance.now`. */
  readonly now?: () => number;
  /** In 0..1; the jitter of blocking queries and of first HTTP checks. Default `Math.random`. */
  readonly random?: () => number;
  /** How often TTLs are checked. Default 100 ms. */
  readonly tickMs?: number;
  readonly limits?: Partial<EmbeddedConsulLimits>;
  /** Called with every request, with path and query. Must not throw. */
  readonly onRequest?: (method: string, target: string) => void;
  /** Called with the ids of services removed for being critical too long. Must not throw. */
  readonly onRemoved?: (serviceIds: readonly string[]) => void;
}

/** Bounds of what clients can make the agent hold. */
export interface EmbeddedConsulLimits extends CatalogLimits {
  /** Largest request body. Default 512 KiB, as for Consul's KV. → 413 */
  readonly bodyBytes: number;
  /** Blocked queries at a time. Default 4,096. → 429 */
  readonly blockedQueries: number;
  /** Open connections. Default 8,192; further ones are closed. */
  readonly connections: number;
}

/** Where an agent listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Counters of an agent. */
export interface EmbeddedConsulStats {
  /** Since it was made. */
  readonly requests: number;
  readonly blockedQueries: number;
  readonly connections: number;
}

/** An in-memory agent that speaks the part of Consul's HTTP API that the SDK and the gateway use. */
export interface EmbeddedConsul {
  /** Starts serving; port 0 means any. Resolves with the actual address; rejects with the system error (EADDRINUSE …). */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Closes every connection, ends every timer. The registrations stay, and `listen` serves them again. Idempotent. */
  stop(): Promise<void>;
  /** A restart that lost everything: services, checks, keys; indexes begin low again; connections are closed. */
  reset(): void;
  /** Closes every connection, as a crash would, and goes on serving. */
  dropConnections(): void;
  stats(): EmbeddedConsulStats;
}

const defaultLimits: EmbeddedConsulLimits = {
  bodyBytes: 512 * 1024,
  blockedQueries: 4_096,
  connections: 8_192,
  services: 20_000,
  checks: 80_000,
};

/** Consul's interval between two removals of services that are critical for too long. */
const removalIntervalMs = 30_000;
/** A real Consul registers itself at about this index. */
const firstIndex = 10;

/** Makes an agent with nothing registered. It serves from `listen` to `stop`; its owner calls both. */
export function createEmbeddedConsul(options: EmbeddedConsulOptions = {}): EmbeddedConsul {
  const limits = { ...defaultLimits, ...options.limits };
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const node = { id: randomUUID(), name: 'embedded', address: '127.0.0.1', datacenter: 'dc1' };
  const blocked = createBlockedQueries(limits.blockedQueries);
  let state = emptyState(node, limits, blocked.notify);
  let server: Server | undefined;
  let requests = 0;
  let connections = 0;

  const runner = createCheckRunner({
    catalog: () => state.catalog,
    now,
    random,
    probe: probeHttp,
    tickMs: options.tickMs ?? 100,
    removalIntervalMs,
    onRemoved: (ids) => options.onRemoved?.(ids),
  });
  const makeServer = (): Server =>
    createHttpServer({
      state: () => state,
      blocked,
      now,
      random,
      bodyBytes: limits.bodyBytes,
      connections: limits.connections,
      onRequest(method, target) {
        requests++;
        options.onRequest?.(method, target);
      },
    }).on('connection', (socket) => {
      connections++;
      socket.once('close', () => {
        connections--;
      });
    });

  return {
    async listen(wanted) {
      if (server !== undefined) throw new Error('The embedded agent listens already; stop it first.');
      const made = makeServer();
      server = made;
      try {
        const bound = await listenOn(made, wanted);
        if (server !== made) throw new Error('The embedded agent was stopped before it listened.');
        runner.start();
        return bound;
      } catch (error) {
        if (server === made) server = undefined;
        made.close();
        throw error;
      }
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
      state = emptyState(node, limits, blocked.notify);
      server?.closeAllConnections();
    },
    dropConnections() {
      server?.closeAllConnections();
    },
    stats: () => ({ requests, blockedQueries: blocked.size, connections }),
  };
}

function emptyState(
  node: NodeFacts,
  limits: CatalogLimits,
  onChange: ReturnType<typeof createBlockedQueries>['notify'],
): AgentState {
  let lastIndex = firstIndex - 1;
  const nextIndex = (): number => ++lastIndex;
  return {
    node,
    catalog: new AgentCatalog({ limits, nextIndex, onChange }),
    keyValues: new KeyValueStore(nextIndex, () => {
      onChange('kv');
    }),
  };
}

async function listenOn(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  server.listen(port, host);
  await once(server, 'listening');
  // Failures to accept (too many open files) pass.
  server.on('error', () => undefined);
  const bound = server.address();
  return typeof bound === 'object' && bound !== null
    ? { host: bound.address, port: bound.port }
    : { host, port };
}
