import type { LookupFunction } from 'node:net';

import type { GatewayConfig } from './config/gateway-config.ts';
import type { Provisioned } from './config/live-config.ts';
import type { ExchangePolicy } from './exchange/context.ts';
import { createExchanges } from './exchange/exchanges.ts';
import { composeSteps } from './exchange/steps.ts';
import type { ExchangeObserver } from './exchange/record.ts';
import { createTrust } from './exchange/trusted-proxies.ts';
import type { Health } from './health/health.ts';
import type { ListenerLimits } from './http/limits.ts';
import { createWireEngine } from './http1/wire-engine.ts';
import { createHttpDate, createRequestIds, monotonicNow } from './lifecycle/clock.ts';
import { descriptorBudget } from './lifecycle/descriptors.ts';
import { memoryLimits } from './lifecycle/memory-limits.ts';
import { createSessionTokens } from './lifecycle/session-tokens.ts';
import type { Engine, EngineOptions } from './listeners/engine.ts';
import { createNodeHttpEngine } from './node-http/node-http-engine.ts';
import type { Registry } from './registry/registry.ts';
import { MemoryBudget } from './sockets/memory-budget.ts';
import type { Log } from './telemetry/log.ts';
import type { Shortages } from './telemetry/shortages.ts';
import { createPoolKeeper } from './upstreams/pool-keeper.ts';

/** What traffic needs from the other parts. */
export interface TrafficOptions {
  readonly config: GatewayConfig;
  readonly registry: Pick<Registry, 'resolve' | 'areClaimsKnown' | 'asked' | 'listedEndpoints' | 'subscribe'>;
  readonly health: Pick<Health, 'routingStatus' | 'onSilent'>;
  readonly lookup: LookupFunction;
  /** File descriptors that the process may have; Infinity: no limit. */
  readonly descriptors: number;
  /** Hears what the gateway itself runs out of. */
  readonly shortages: Pick<Shortages, 'crowded' | 'exhausted' | 'memory'>;
  /** Called at the end of every exchange. */
  readonly observe: ExchangeObserver;
  readonly log: Log;
}

/** The way of requests through the gateway: an engine, the exchanges that it drives, and its connections to instances. */
export interface Traffic {
  readonly engine: Engine;
  /** The names of what happens to a request, in order. */
  readonly steps: () => readonly string[];
  /** The account of all that is held for peers. */
  readonly memory: MemoryBudget;
  /** Makes other limits, and other rules for exchanges, ready. An exchange under way keeps what it began with. */
  provision(config: GatewayConfig): Provisioned;
  /** Stops the engine, see {@link Engine.stop}, and ends every timer. */
  stop(drainMs: number): Promise<void>;
}

/** The engines by their configured names. */
const engines: Readonly<Record<GatewayConfig['engine'], (options: EngineOptions) => Engine>> = {
  wire: createWireEngine,
  'http-proxy': createNodeHttpEngine,
};

/** See {@link Traffic}. Ended by `stop`. */
export function createTraffic(options: TrafficOptions): Traffic {
  const { config, registry, health, lookup, descriptors, shortages, observe, log } = options;
  const { clients, instances } = descriptorBudget(descriptors);
  const limitsOf = ({ limits }: GatewayConfig): ListenerLimits => ({
    ...limits,
    connections: Math.min(limits.connections, clients),
  });
  if (clients < config.limits.connections) {
    log.warn(
      `limits.connections is ${config.limits.connections}, but this process may have ${descriptors} file descriptors: ` +
        `${clients} client connections are taken. Raise its hard limit (nofile, ulimit -n).`,
    );
  }
  const memory = new MemoryBudget(memoryLimits(config.limits.memoryBytes), shortages.memory);
  const policy = policyOf(config);
  let { trusts } = policy;
  const exchanges = createExchanges({
    ...policy,
    admits: (what) => memory.admits(what),
    resolve: (host, path) => registry.resolve(host, path),
    areClaimsKnown: () => registry.areClaimsKnown,
    routingStatus: (question) => {
      registry.asked(question.service);
      return health.routingStatus(question);
    },
    sessionToken: createSessionTokens(config.stickySecret),
    observe,
    now: monotonicNow,
    random: Math.random,
    httpDate: createHttpDate(),
    newRequestId: createRequestIds(),
  });
  const engine = engines[config.engine]({
    exchanges,
    limits: limitsOf(config),
    memory,
    maxUpstreamConnections: instances,
    isExempt: (address) => trusts?.(address) === true,
    onCrowding: shortages.crowded,
    onExhausted: shortages.exhausted,
    poolIdleMs: config.poolIdleMs,
    replayBytes: config.retry.replayBytes,
    lookup,
    onFault: (err) => {
      log.error('A mistake of the gateway itself; one exchange was lost.', { err });
    },
  });
  const pools = createPoolKeeper(() => {
    engine.closeIdleExcept(registry.listedEndpoints());
  });
  registry.subscribe(pools);
  health.onSilent((endpoint) => {
    engine.leave(endpoint);
  });

  return {
    engine,
    steps: () => composeSteps({ trusts }).map(({ name }) => name),
    memory,
    provision: (next) => {
      const policy = policyOf(next);
      return {
        swap: () => {
          ({ trusts } = policy);
          exchanges.reconfigure(policy);
          engine.setLimits(limitsOf(next));
          memory.limits = memoryLimits(next.limits.memoryBytes);
        },
        discard: () => undefined,
      };
    },
    stop: async (drainMs) => {
      const cut = await engine.stop(drainMs);
      if (cut > 0) log.warn(`Cut ${cut} exchanges that were not finished after ${drainMs} ms.`);
      pools.stop();
    },
  };
}

function policyOf({ pseudonym, trustedProxies, forwardedFields, identity }: GatewayConfig): ExchangePolicy {
  return { pseudonym, trusts: createTrust(trustedProxies), forwardedFields, identity };
}
