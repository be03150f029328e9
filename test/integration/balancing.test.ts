import { describe, expect, it, onTestFinished } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import type { ServiceOverrides } from '../../gateway/src/config/gateway-config.ts';
import { eventually } from '../kit/eventually.ts';
import { holding, startFleet, tally, type Fleet, type Registration } from '../kit/fleet.ts';
import { get, startLoad } from '../kit/load.ts';
import type { TestConfig } from '../kit/start-gateway.ts';

async function fleetWith(config: TestConfig = {}): Promise<Fleet> {
  const fleet = await startFleet(config);
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  return fleet;
}

const forService = (settings: ServiceOverrides): TestConfig => ({
  services: [{ service: 'webapp-service', instances: undefined, settings }],
});

/** Requests with so many different values of a header, and who answered each. */
async function placement(fleet: Fleet, count: number): Promise<ReadonlyMap<string, string>> {
  const placed = new Map<string, string>();
  for (let key = 0; key < count; key += 1) {
    const [name = ''] = await fleet.ask(1, { 'x-key': String(key) });
    placed.set(String(key), name);
  }
  return placed;
}

/** What shows from outside that a strategy is in force among the instances `a` and `b`. */
const shows: Readonly<Record<string, (fleet: Fleet) => Promise<void>>> = {
  'round-robin': async (fleet) => {
    const names = await fleet.ask(8);
    expect(names.every((name, at) => at === 0 || name !== names[at - 1])).toBe(true);
  },
  'least-requests': async (fleet) => {
    const { handler, held } = holding();
    const [a, b] = [fleet.instances.get('a'), fleet.instances.get('b')];
    a?.answer(handler);
    const waits: Promise<unknown>[] = [];
    // Whose turn it is first is left to chance.
    while (held.length === 0) {
      waits.push(get(`${fleet.gateway.url}/`));
      await eventually(async () => {
        expect(held.length + (b?.requests ?? 0)).toBe(waits.length);
        const { instances } = await fleet.service();
        expect(instances.find(({ id }) => id === 'b')?.inFlight).toBe(0);
      });
    }
    expect(tally(await fleet.ask(6))).toEqual({ b: 6 });
    for (const response of held) response.end('a');
    await Promise.all(waits);
  },
  'power-of-two': async (fleet) => {
    const slow = fleet.instances.get('a');
    slow?.answer((_, response) => setTimeout(() => response.end('a'), 150));
    await eventually(async () => {
      expect(await fleet.ask(1)).toEqual(['a']);
    });
    // A pause of the machine may make the other one look slow for a moment.
    expect(tally(await fleet.ask(20))['b']).toBeGreaterThanOrEqual(17);
    slow?.answer(undefined);
  },
  random: async (fleet) => {
    const names = await fleet.ask(60);
    expect(Object.keys(tally(names)).sort()).toEqual(['a', 'b']);
    expect(names.some((name, at) => name === names[at - 1])).toBe(true);
  },
  'consistent-hash': async (fleet) => {
    // The strategy is followed at once, what it places by with the next route table, up to 100 ms later.
    const first = await eventually(async () => {
      const placed = await placement(fleet, 16);
      expect(new Set(placed.values())).toEqual(new Set(['a', 'b']));
      expect(await placement(fleet, 16)).toEqual(placed);
      return placed;
    });
    expect(await placement(fleet, 16)).toEqual(first);
  },
};

describe.each(Object.entries(shows))('%s', (balance, inForce) => {
  const value = balance as ServiceOverrides['balance'];
  const sources: Readonly<Record<string, readonly [ServiceOverrides, Registration]>> = {
    'the configuration': [{ balance: value ?? 'random', hash: { kind: 'header', name: 'x-key' } }, {}],
    meta: [{}, { meta: { balance, hash: 'header:X-Key' } }],
    'a tag': [{ hash: { kind: 'header', name: 'x-key' } }, { tags: [`balance=${balance}`] }],
  };
  it.each(Object.entries(sources))('is in force when %s asks for it', async (_, [settings, registration]) => {
    // A path without other requests, so that only these are counted.
    const fleet = await fleetWith({
      balance: balance === 'random' ? 'round-robin' : 'random',
      ...(Object.keys(settings).length === 0 ? {} : forService(settings)),
    });
    await fleet.join('a', registration);
    await fleet.join('b', registration);
    expect((await fleet.service()).balance).toBe(balance);
    await inForce(fleet);
  });
});

describe.each(['http-proxy', 'wire'] as const)('balancing through the %s engine', (engine) => {
  it('takes another strategy with each new registration, and loses no request', async () => {
    const fleet = await fleetWith({ engine });
    await fleet.join('a');
    const load = startLoad(`${fleet.gateway.url}/`, 200);
    onTestFinished(async () => {
      await load.stop();
    });
    for (const [step, balance] of [...Object.keys(shows), 'round-robin'].entries()) {
      const before = load.report().answered;
      await fleet.join(`${step}-${balance}`, { meta: { balance, hash: 'path', sticky: 'off' } });
      expect((await fleet.service()).balance).toBe(balance);
      await eventually(() => {
        expect(load.report().answered).toBeGreaterThan(before + 20);
      });
      if (balance === 'power-of-two') await fleet.leave('a');
    }
    const { failures, answered, sent } = await load.stop();
    expect([failures, answered]).toEqual([[], sent]);
  });

  it('calls backups in when every primary has been killed, and sends them home when one is back', async () => {
    const fleet = await fleetWith({ engine, ejection: { ...defaults.ejection, baseMs: 50 } });
    const primaries = [await fleet.join('a'), await fleet.join('b'), await fleet.join('c')];
    const backup = await fleet.join('spare', { tags: ['backup'] });
    expect(tally(await fleet.ask(9))).toEqual({ a: 3, b: 3, c: 3 });
    for (const primary of primaries) await primary.kill();
    expect(tally(await fleet.ask(30))).toEqual({ spare: 30 });
    await Promise.all(primaries.map((primary) => primary.revive()));
    await eventually(async () => {
      const { instances } = await fleet.service();
      await fleet.ask(1);
      expect(instances.map(({ health }) => health)).toEqual(instances.map(() => 'healthy'));
    });
    const { requests } = backup;
    expect(tally(await fleet.ask(9))).toEqual({ a: 3, b: 3, c: 3 });
    expect(backup.requests).toBe(requests);
  });

  it('loses no request when most instances have been killed, before Consul knows', async () => {
    const fleet = await fleetWith({ engine });
    const ids = Array.from({ length: 10 }, (_, k) => `i${k}`);
    for (const id of ids) await fleet.join(id);
    await fleet.ask(10);
    for (const id of ids.slice(1)) await fleet.instances.get(id)?.kill();
    expect(tally(await fleet.ask(40))).toEqual({ i0: 40 });
  });
});

describe('weights', () => {
  it("are Consul's, and others in the status warning", async () => {
    const fleet = await fleetWith();
    await fleet.join('heavy', { weights: { passing: 3, warning: 1 } });
    await fleet.join('light');
    expect(tally(await fleet.ask(16))).toEqual({ heavy: 12, light: 4 });
    await fleet.setStatus('heavy', 'warning');
    expect(tally(await fleet.ask(16))).toEqual({ heavy: 8, light: 8 });
    await fleet.setStatus('heavy', 'passing');
    expect(tally(await fleet.ask(16))).toEqual({ heavy: 12, light: 4 });
  });

  it('come from the meta too, for a canary that grows', async () => {
    const fleet = await fleetWith();
    await fleet.join('stable', { meta: { weight: '9' } });
    const canary = await fleet.join('canary');
    expect(tally(await fleet.ask(20))).toEqual({ stable: 18, canary: 2 });
    await fleet.register(canary, { meta: { weight: '9' } });
    expect(tally(await fleet.ask(20))).toEqual({ stable: 10, canary: 10 });
  });
});

describe('slow start', () => {
  it('gives a newcomer its share little by little, but full shares to the instances present at the start', async () => {
    const fleet = await fleetWith(forService({ slowStartMs: 1_500 }));
    await fleet.join('first');
    expect(tally(await fleet.ask(4))).toEqual({ first: 4 });
    const newcomer = await fleet.join('newcomer');
    const joinedMs = performance.now();
    const early = tally(await fleet.ask(60))['newcomer'] ?? 0;
    // Only while the start lasts does its share say something.
    if (performance.now() - joinedMs < 500) expect(early).toBeLessThan(24);
    await eventually(async () => {
      const names = await fleet.ask(10);
      expect(tally(names)).toEqual({ first: 5, newcomer: 5 });
    });
    expect(newcomer.requests).toBeGreaterThan(early);
    await fleet.leave('first');
    expect(tally(await fleet.ask(4))).toEqual({ newcomer: 4 });
  });
});

describe('consistent hash', () => {
  it('moves the keys of an instance that leaves, and no others', async () => {
    const hash = { kind: 'header', name: 'x-key' } as const;
    const fleet = await fleetWith(forService({ balance: 'consistent-hash', hash }));
    for (const id of ['a', 'b', 'c', 'd']) await fleet.join(id);
    const before = await placement(fleet, 80);
    await fleet.leave('c');
    const after = await placement(fleet, 80);
    const moved = [...before].filter(([key, name]) => after.get(key) !== name);
    expect(new Set(moved.map(([, name]) => name))).toEqual(new Set(['c']));
    expect(moved).toHaveLength([...before.values()].filter((name) => name === 'c').length);
    await fleet.register(fleet.instances.get('c') ?? (await fleet.start('c')));
    expect(await placement(fleet, 80)).toEqual(before);
  });

  it.each([
    ['cookie:tenant', (key: string) => ({ headers: { cookie: `x=${key}; tenant=t${Number(key) % 8}` } })],
    ['path', (key: string) => ({ path: `/p${Number(key) % 8}?q=${key}` })],
    [
      'client-ip',
      (key: string) => ({ headers: { 'x-forwarded-for': `9.9.9.${key}, 10.1.1.${Number(key) % 8}` } }),
    ],
  ])('by %s', async (hash, request: (key: string) => { headers?: Record<string, string>; path?: string }) => {
    const fleet = await fleetWith({ trustedProxies: ['127.0.0.0/8'] });
    for (const id of ['a', 'b', 'c']) await fleet.join(id, { meta: { balance: 'consistent-hash', hash } });
    await eventually(async () => {
      const byKey = Array.from({ length: 8 }, () => new Set<string>());
      for (let key = 0; key < 24; key += 1) {
        const { headers, path } = request(String(key));
        for (const name of await fleet.ask(1, headers, path)) byKey[key % 8]?.add(name);
      }
      expect(byKey.map((names) => names.size)).toEqual(byKey.map(() => 1));
      expect(new Set(byKey.flatMap((names) => [...names])).size).toBeGreaterThan(1);
    });
  });
});
