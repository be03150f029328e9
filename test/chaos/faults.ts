import { setTimeout as sleep } from 'node:timers/promises';

import type { RealConsul } from '../kit/consul-agent.ts';
import type { ChaosLoad } from './rig/load.ts';
import type { Origin, OriginOptions } from './rig/origins.ts';

/** What a fault has to work with: three instances of `api-service`, a Consul, a load that runs. */
export interface Stage {
  readonly consul: RealConsul;
  readonly origins: readonly Origin[];
  readonly load: ChaosLoad;
  startOrigin(options?: Partial<Omit<OriginOptions, 'consul' | 'journal'>>): Promise<Origin>;
}

/** The same for every peer. It takes as long with each, whatever comes of it, so that the counts compare. */
export interface Fault {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  happen(stage: Stage): Promise<void>;
}

const restarts = 6;
const kills = 3;
const settleMs = 2_000;
const hungMs = 10_000;
const outageMs = 10_000;
/** A heartbeat is due within 5 s; then the SDK finds that Consul has forgotten it and registers again. */
const comeBackMs = 10_000;

const deregister = async (consul: RealConsul, id: string): Promise<void> => {
  await fetch(`${consul.address}/v1/agent/service/deregister/${id}`, { method: 'PUT' });
};

export const faults: readonly Fault[] = [
  {
    name: 'deploy',
    title: `rolling restart, ${restarts} × SIGTERM`,
    happen: async ({ origins, startOrigin }: Stage): Promise<void> => {
      for (let round = 0; round < restarts; round += 1) {
        await origins[round]?.process.stop('SIGTERM');
        await startOrigin();
        await sleep(settleMs);
      }
    },
  },
  {
    name: 'crash',
    title: `${kills} × SIGKILL, each replaced`,
    happen: async ({ origins, startOrigin }: Stage): Promise<void> => {
      for (let round = 0; round < kills; round += 1) {
        await origins[round]?.process.stop('SIGKILL');
        await sleep(settleMs);
        await startOrigin();
        await sleep(settleMs);
      }
    },
  },
  {
    name: 'hung',
    title: `one of three hangs for ${hungMs / 1_000} s`,
    happen: async ({ origins }: Stage): Promise<void> => {
      await origins[0]?.become('hang');
      await sleep(hungMs);
      await origins[0]?.become('healthy');
      await sleep(settleMs);
    },
  },
  {
    name: 'reset',
    title: `one of three resets mid-body for ${hungMs / 1_000} s`,
    happen: async ({ origins }: Stage): Promise<void> => {
      await origins[0]?.become('reset');
      await sleep(hungMs);
      await origins[0]?.become('healthy');
      await sleep(settleMs);
    },
  },
  {
    name: 'outage',
    title: `Consul killed for ${outageMs / 1_000} s, back empty`,
    happen: async ({ consul }: Stage): Promise<void> => {
      await consul.kill();
      await sleep(outageMs);
      await consul.restart();
      await sleep(comeBackMs);
    },
  },
  {
    name: 'amnesia',
    title: 'every live instance deregistered by mistake',
    happen: async ({ consul, origins }: Stage): Promise<void> => {
      await Promise.all(origins.map(({ id }) => deregister(consul, id)));
      await sleep(comeBackMs);
    },
  },
  {
    name: 'reuse',
    title: 'an instance dies, another service gets its port',
    happen: async ({ origins, startOrigin }: Stage): Promise<void> => {
      const [victim] = origins;
      if (victim === undefined) return;
      await victim.process.stop('SIGKILL');
      await startOrigin({ service: 'stranger', routes: '', env: { PORT: String(victim.port) } });
      await sleep(5_000);
    },
  },
];
