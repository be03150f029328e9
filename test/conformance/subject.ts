import { lookup } from 'node:dns';

import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { Engine, EngineOptions } from '../../gateway/src/listeners/engine.ts';
import type { ListenerLimits } from '../../gateway/src/http/limits.ts';
import { createNodeHttpEngine } from '../../gateway/src/node-http/node-http-engine.ts';
import { createWireEngine } from '../../gateway/src/http1/wire-engine.ts';
import type { AttemptTimeouts } from '../../gateway/src/routing/policy.ts';
import { MemoryBudget, type MemoryLimits, type Sacrifice } from '../../gateway/src/sockets/memory-budget.ts';
import { endpointAt } from '../kit/builders.ts';
import {
  createScriptedExchanges,
  type ExchangeScript,
  type ScriptedExchanges,
  type ScriptOptions,
} from './scripted-exchanges.ts';

/** The engines that the suite runs through. */
export const engineNames = ['http-proxy', 'wire'] as const;
export type EngineName = (typeof engineNames)[number];

const factories: Readonly<Record<EngineName, (options: EngineOptions) => Engine>> = {
  'http-proxy': createNodeHttpEngine,
  wire: createWireEngine,
};

/** What the suite judges: something that listens, forwards to origins, and can be stopped. */
export interface Subject {
  readonly port: number;
  readonly engine: Engine;
  readonly exchanges: ScriptedExchanges;
  readonly endpoints: readonly Endpoint[];
  /** Exceptions of the engine's own. A test that doesn't provoke one expects none. */
  readonly faults: readonly unknown[];
  /** After `stop`, nothing may be charged any more. */
  readonly memory: MemoryBudget;
  /** What was given up because memory was short. */
  readonly givenUp: readonly Sacrifice[];
  stop(drainMs?: number): Promise<number>;
}

export interface SubjectOptions {
  readonly limits?: Partial<ListenerLimits>;
  readonly timeouts?: Partial<AttemptTimeouts>;
  readonly poolIdleMs?: number;
  readonly maxUpstreamConnections?: number;
  readonly isExempt?: EngineOptions['isExempt'];
  readonly replayBytes?: number;
  /** Default: more than a test needs. */
  readonly memory?: MemoryLimits;
  readonly lookup?: EngineOptions['lookup'];
  /** What every attempt has. */
  readonly attempt?: ScriptOptions['attempt'];
  readonly script?: ExchangeScript;
  /** Default: one at each port, on 127.0.0.1. */
  readonly endpoints?: readonly Endpoint[];
}

/** Makes an engine that doesn't listen yet. */
export function createEngine(name: EngineName, options: EngineOptions): Engine {
  return factories[name](options);
}

/** What an engine is given where a test says nothing else. */
export const usualLimits: ListenerLimits = {
  requestHeadMs: 5_000,
  keepAliveMs: 5_000,
  headBytes: 16 * 1024,
  headLines: 100,
  bodyBytes: 0,
  connections: 1_000,
  connectionsPerAddress: 1_000,
  memoryBytes: 0,
  minBytesPerSecond: 0,
  paceMs: 1_000,
};

/** Where a test says nothing else: no limit on a try or an exchange. */
export const usualTimeouts: AttemptTimeouts = {
  connectMs: 1_000,
  responseHeadMs: 3_000,
  idleMs: 3_000,
  tryMs: 0,
  totalMs: 0,
};

/** Starts an engine on a free port in front of the given ports of 127.0.0.1. */
export async function startSubject(
  name: EngineName,
  originPorts: readonly number[],
  options: SubjectOptions = {},
): Promise<Subject> {
  const endpoints = options.endpoints ?? originPorts.map(endpointAt);
  const exchanges = createScriptedExchanges({
    endpoints,
    timeouts: { ...usualTimeouts, ...options.timeouts },
    ...(options.attempt === undefined ? {} : { attempt: options.attempt }),
    ...(options.script === undefined ? {} : { script: options.script }),
  });
  const faults: unknown[] = [];
  const givenUp: Sacrifice[] = [];
  const memory = new MemoryBudget(options.memory ?? { bytes: 2 ** 30, heapBytes: 2 ** 30 }, (what) =>
    givenUp.push(what),
  );
  const engine = createEngine(name, {
    exchanges,
    limits: { ...usualLimits, ...options.limits },
    poolIdleMs: options.poolIdleMs ?? 4_000,
    maxUpstreamConnections: options.maxUpstreamConnections ?? Infinity,
    isExempt: options.isExempt ?? (() => false),
    onCrowding: () => undefined,
    onExhausted: () => undefined,
    memory,
    replayBytes: options.replayBytes ?? 65_536,
    lookup: options.lookup ?? lookup,
    onFault: (fault) => faults.push(fault),
  });
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });
  const stop = async (drainMs = 0): Promise<number> => {
    const cut = await engine.stop(drainMs);
    if (memory.usedBytes !== 0) throw new Error(`${memory.usedBytes} bytes are still charged`);
    return cut;
  };
  return { port, engine, exchanges, endpoints, faults, memory, givenUp, stop };
}
