import { describe, expect, it } from 'vitest';

import { eventually } from '../../../../test/kit/eventually.ts';
import type { Instance } from '../instance.ts';
import { fixedSnapshot } from '../snapshot.ts';
import type { HeldInstance } from './held-instances.ts';
import { HeldProber, type HeldProbe } from './held-prober.ts';

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

function setUp(probe: HeldProbe) {
  const dead: string[] = [];
  const states: string[] = [];
  const prober = new HeldProber({
    probe,
    onProbe: (_service, key, state) => states.push(`${key} ${state.kind}`),
    onDead: (service, key, reason) => dead.push(`${service} ${key} ${reason}`),
  });
  return { prober, dead, states };
}

describe('HeldProber', () => {
  it('reports the dead after two bad answers and leaves the living alone', async () => {
    const [a, b] = instances(2);
    const { prober, dead, states } = setUp((instance) =>
      Promise.resolve(instance.port === 1 ? 'connection refused' : undefined),
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
      (_instance, signal) =>
        new Promise((resolve) => {
          signalOfProbe = signal;
          signal.addEventListener('abort', () => {
            resolve('given up');
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

  it('stops while probes are running', async () => {
    const { prober, dead } = setUp(
      (_instance, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve(undefined);
          });
        }),
    );
    prober.follow('api', rows(instances(200)));
    await prober.stop();
    expect(dead).toEqual([]);
  });
});
