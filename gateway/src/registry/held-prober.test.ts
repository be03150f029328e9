import { fixedSnapshot, type Instance } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import type { Probe } from '../health/probe.ts';
import type { HeldInstance } from './held-instances.ts';
import { createHeldProber } from './held-prober.ts';

const instances = (count: number): readonly Instance[] =>
  fixedSnapshot(
    'api',
    Array.from({ length: count }, (_, index) => ({ address: '10.0.0.1', port: index + 1 })),
  ).instances;

const rows = (list: readonly Instance[]): ReadonlyMap<string, HeldInstance> =>
  new Map(
    list.map((instance) => [
      instance.key,
      { instance, because: 'removal', sinceMs: 0, untilMs: 30_000, probe: { kind: 'unknown' } } as const,
    ]),
  );

function setUp(probe: Probe) {
  const dead: string[] = [];
  const states: string[] = [];
  const prober = createHeldProber({
    probe,
    onProbe: (_service, key, state) => states.push(`${key} ${state.kind}`),
    onDead: (service, key, reason) => dead.push(`${service} ${key} ${reason}`),
  });
  return { prober, dead, states };
}

describe('createHeldProber', () => {
  it('reports the dead after two bad answers and leaves the living alone', async () => {
    const [a, b] = instances(2);
    const { prober, dead, states } = setUp((instance) =>
      Promise.resolve(
        instance.port === 1 ? { kind: 'dead', reason: 'connection refused' } : { kind: 'alive' },
      ),
    );
    prober.follow('api', rows([a!, b!]));
    await eventually(() => {
      expect(dead).toEqual([`api ${a!.key} connection refused`]);
    });
    expect(states.filter((state) => state === `${a!.key} failing`)).toHaveLength(2);
    expect(states).toContain(`${b!.key} alive`);
    await prober.stop();
  });

  it('asks no more about what is held no more', async () => {
    const [a] = instances(1);
    let signalOfProbe: AbortSignal | undefined;
    const { prober, dead } = setUp(
      (_instance, _question, signal) =>
        new Promise((resolve) => {
          signalOfProbe = signal;
          signal.addEventListener('abort', () => {
            resolve({ kind: 'dead', reason: 'given up' });
          });
        }),
    );
    prober.follow('api', rows([a!]));
    await eventually(() => {
      expect(signalOfProbe).toBeDefined();
    });
    prober.follow('api', rows([]));
    expect(signalOfProbe?.aborted).toBe(true);
    await prober.stop();
    expect(dead).toEqual([]);
  });

  it('has a bounded number of probes under way', async () => {
    let underWay = 0;
    let most = 0;
    let asked = 0;
    const { prober } = setUp(async () => {
      underWay += 1;
      asked += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      return { kind: 'alive' };
    });
    prober.follow('api', rows(instances(500)));
    await eventually(() => {
      expect(asked).toBeGreaterThanOrEqual(500);
    });
    expect(most).toBeLessThanOrEqual(64);
    expect(most).toBeGreaterThan(32);
    await prober.stop();
    expect(underWay).toBe(0);
  });

  it('stops with probes waiting for their turn', async () => {
    const { prober, dead } = setUp(
      (_instance, _question, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve({ kind: 'alive' });
          });
        }),
    );
    prober.follow('api', rows(instances(200)));
    await prober.stop();
    expect(dead).toEqual([]);
  });
});
