import { expect } from 'vitest';

import type { TestProcess } from '../../kit/processes.ts';
import { startGatewayProcess, untilPassing, type GatewayProcess } from '../../kit/system.ts';
import { createDisposal } from '../../kit/disposal.ts';
import { holdings, inspectable, untilBaseline, type Holdings } from './gateway-probe.ts';
import { startChaosLoad, type ChaosLoad, type LoadOptions, type LoadReport } from './load.ts';
import { createJournal, startOrigin, type Journal, type Origin, type OriginOptions } from './origins.ts';
import { scale } from './scale.ts';
import { judge, type Verdict } from './verdict.ts';

/** A gateway with instances behind it and a load in front, all processes of their own; ended as a whole. */
export interface World extends AsyncDisposable {
  readonly gateway: GatewayProcess;
  /** `http://127.0.0.1:PORT` */
  readonly consul: string;
  readonly journal: Journal;
  /** The instances that were started, dead ones included. */
  readonly origins: readonly Origin[];
  /** Those of them that have not ended. */
  living(): readonly Origin[];
  startOrigin(options?: Partial<Omit<OriginOptions, 'journal'>>): Promise<Origin>;
  /** The first on the gateway itself takes the baseline for {@link untilQuiet}. */
  startLoad(options?: Partial<LoadOptions>): Promise<ChaosLoad>;
  /** Stops the load and judges what it saw against the journals and every process' output. */
  finish(load: ChaosLoad): Promise<{ readonly report: LoadReport; readonly verdict: Verdict }>;
  /** Waits until the gateway holds no more sockets, timers and heap than before the first load. */
  untilQuiet(): Promise<void>;
}

export interface WorldOptions {
  readonly consul: string;
  /** Instances of `api-service` to begin with. Default 3; with 0 nothing is warmed up. */
  readonly instances?: number;
  readonly gatewayEnv?: Readonly<Record<string, string>>;
  readonly originEnv?: Readonly<Record<string, string>>;
}

/** Shorter than the default, so that a gateway that is left alone is soon back at its baseline. */
const poolIdleMs = 1_000;

/** Resolves when the gateway serves every instance. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { consul, instances = 3 } = options;
  const stack = createDisposal();
  try {
    const journal = stack.use(createJournal());
    const gateway = stack.use(
      await startGatewayProcess(consul, {
        env: { LOG_LEVEL: 'info', GATEWAY_POOL_IDLE_MS: String(poolIdleMs), ...options.gatewayEnv },
        nodeArgs: inspectable,
      }),
    );
    const origins: Origin[] = [];
    const processes: TestProcess[] = [gateway.process];
    let baseline: Holdings | undefined;

    const world: World = {
      gateway,
      consul,
      journal,
      origins,
      living: () => origins.filter(({ process }) => process.group() === 'running'),
      async startOrigin(more = {}) {
        const env = { ...options.originEnv, ...more.env };
        const origin = stack.use(await startOrigin({ consul, journal, ...more, env }));
        origins.push(origin);
        processes.push(origin.process);
        return origin;
      },
      async startLoad(more = {}) {
        if (more.url === undefined) baseline ??= await holdings(gateway.process);
        const load = stack.use(
          await startChaosLoad({ url: gateway.url, perSecond: scale.perSecond, ...more }),
        );
        processes.push(load.process);
        return load;
      },
      async finish(load) {
        const report = await load.stop();
        return { report, verdict: judge(report, { journal, processes }) };
      },
      async untilQuiet() {
        if (baseline !== undefined) await untilBaseline(gateway.process, baseline);
      },
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
    await Promise.all(Array.from({ length: instances }, () => world.startOrigin()));
    if (instances > 0) {
      await untilPassing(gateway, 'api-service', instances);
      await warmUp(world);
    }
    return world;
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

/** Code is compiled and pools exist afterwards, so that a baseline taken then is one. */
async function warmUp(world: World): Promise<void> {
  const load = await startChaosLoad({ url: world.gateway.url, perSecond: 200 });
  try {
    await load.untilAnswered(200);
    expect((await load.stop()).failed).toBe(0);
  } finally {
    await load[Symbol.asyncDispose]();
  }
}
