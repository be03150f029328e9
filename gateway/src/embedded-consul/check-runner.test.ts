import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { AgentCatalog } from './agent-catalog.ts';
import { type CheckRunner, createCheckRunner } from './check-runner.ts';
import { decodeRegistration } from './decode-registration.ts';
import type { HttpCheckResult } from './http-probe.ts';

interface Made {
  readonly runner: CheckRunner;
  readonly catalog: AgentCatalog;
  readonly removed: string[];
  readonly probes: { signal: AbortSignal; finish: (result: HttpCheckResult) => void }[];
  nowMs: number;
}

function make(): Made {
  let index = 10;
  const catalog = new AgentCatalog({
    limits: { services: 10, checks: 10 },
    nextIndex: () => ++index,
    onChange: () => undefined,
  });
  const made: Omit<Made, 'runner'> = { catalog, removed: [], probes: [], nowMs: 0 };
  const runner = createCheckRunner({
    catalog: () => catalog,
    now: () => made.nowMs,
    random: () => 0,
    probe: (_source, signal) =>
      new Promise((finish) => {
        made.probes.push({ signal, finish });
      }),
    tickMs: 5,
    removalIntervalMs: 30_000,
    onRemoved: (ids) => made.removed.push(...ids),
  });
  return Object.assign(made, { runner });
}

const register = ({ catalog }: Made, check: object): void => {
  const body = Buffer.from(JSON.stringify({ Name: 'api', Check: check }));
  catalog.register(decodeRegistration(body), 0);
};
const httpCheck = { CheckID: 'h', HTTP: 'http://127.0.0.1:9/', Interval: '1s' };

describe('the check runner', () => {
  it('expires TTLs at every tick and removes at its own interval', () => {
    const made = make();
    register(made, { CheckID: 't', TTL: '1s', Status: 'passing', DeregisterCriticalServiceAfter: '1m' });
    made.nowMs = 1_000;
    made.runner.tick();
    expect(made.catalog.check('t')?.status).toBe('critical');
    for (made.nowMs = 2_000; made.nowMs < 90_000; made.nowMs += 1_000) made.runner.tick();
    // Critical since 1 s, one minute over at 61 s; removals happen at 30, 60 and 90 s.
    expect(made.removed).toEqual([]);
    made.runner.tick();
    expect(made.removed).toEqual(['api']);
  });

  it('runs an HTTP check and writes its result', async () => {
    const made = make();
    register(made, httpCheck);
    made.runner.start();
    await eventually(() => {
      expect(made.probes).toHaveLength(1);
    });
    made.probes[0]!.finish({ status: 'passing', output: 'ok' });
    await eventually(() => {
      expect(made.catalog.check('h')).toMatchObject({ status: 'passing', output: 'ok' });
    });
    made.runner.stop();
  });

  it('ends the check in flight when it is stopped, and takes no result from it', async () => {
    const made = make();
    register(made, httpCheck);
    made.runner.start();
    await eventually(() => {
      expect(made.probes).toHaveLength(1);
    });
    made.runner.stop();
    const [probe] = made.probes;
    expect(probe!.signal.aborted).toBe(true);
    probe!.finish({ status: 'passing', output: 'late' });
    await turn();
    expect(made.catalog.check('h')).toMatchObject({ status: 'critical', output: '' });
  });

  it('ends the check of a service that has gone, and starts over for a changed one', async () => {
    const made = make();
    register(made, httpCheck);
    made.runner.start();
    await eventually(() => {
      expect(made.probes).toHaveLength(1);
    });
    register(made, { ...httpCheck, HTTP: 'http://127.0.0.1:10/' });
    await eventually(() => {
      expect(made.probes).toHaveLength(2);
    });
    expect(made.probes[0]!.signal.aborted).toBe(true);
    made.catalog.deregister('api');
    made.runner.tick();
    expect(made.probes[1]!.signal.aborted).toBe(true);
    made.runner.stop();
  });
});
