import { describe, expect, it } from 'vitest';

import { routeConfig } from '../../../test/kit/builders.ts';
import { defaults } from '../config/defaults.ts';
import { instance, leased, reconfigure, setUp, turn } from './testing/registry-world.ts';

/** `/a` and `/b` lead to a service each, with one instance. */
async function twoRoutes() {
  const world = setUp([routeConfig('/a', 'a'), routeConfig('/b', 'b')]);
  await world.catalog({ a: [], b: [] });
  await world.snapshot('a', instance('a', 'a1', [], { port: 1 }));
  await world.snapshot('b', instance('b', 'b1', [], { port: 2 }));
  await world.registry.synced;
  return world;
}

describe('reconfigure', () => {
  it('adds a route once its service has answered, and removes one; other routes are served throughout', async () => {
    const { registry, config, snapshot } = await twoRoutes();
    const upstream = registry.resolve('h', '/a')?.upstream;
    const done = reconfigure(registry, {
      ...config,
      routes: [routeConfig('/a', 'a'), routeConfig('/c', 'c')],
    });
    await turn();
    expect(leased(registry, '/b')?.id).toBe('b1');
    await snapshot('c', instance('c', 'c1', [], { port: 3 }));
    for (let turns = 0; turns < 20; turns += 1) {
      expect(leased(registry, '/a')?.id).toBe('a1');
      await turn();
    }
    await done;
    expect(leased(registry, '/c')?.id).toBe('c1');
    expect(registry.resolve('h', '/b')).toBeUndefined();
    expect(registry.resolve('h', '/a')?.upstream).toBe(upstream);
  });

  it('moves a route to another service without a moment at which it leads nowhere', async () => {
    const { registry, config, snapshot, tables } = await twoRoutes();
    const done = reconfigure(registry, {
      ...config,
      routes: [routeConfig('/a', 'c'), routeConfig('/b', 'b')],
    });
    await turn();
    expect(leased(registry, '/a')?.id).toBe('a1');
    await snapshot('c', instance('c', 'c1', [], { port: 3 }));
    await done;
    expect(leased(registry, '/a')?.id).toBe('c1');
    expect(leased(registry, '/b')?.id).toBe('b1');
    expect(tables.at(-1)?.after.map(({ service }) => service)).toEqual(['c', 'b']);
  });

  it('waits for a service that does not answer for a second only', async () => {
    const { registry, config } = await twoRoutes();
    await reconfigure(registry, { ...config, routes: [routeConfig('/a', 'a'), routeConfig('/c', 'c')] });
    expect(leased(registry, '/a')?.id).toBe('a1');
    expect(registry.resolve('h', '/c')?.route.service).toBe('c');
  });

  it('changes nothing when what was made ready is discarded', async () => {
    const { registry, config, feeds, snapshot, catalog } = await twoRoutes();
    const ready = registry.provision({ ...config, routes: [routeConfig('/a', 'c')] });
    await turn();
    await snapshot('c', instance('c', 'c1', [], { port: 3 }));
    (await ready).discard();
    expect(leased(registry, '/a')?.id).toBe('a1');
    expect(leased(registry, '/b')?.id).toBe('b1');
    await snapshot('c');
    await catalog({ a: [], b: [] });
    expect(feeds.get('c')?.signal.aborted).toBe(true);
  });

  it('changes settings, timeouts, retry rules and budgets; the state of endpoints stays', async () => {
    const { registry, config, services } = await twoRoutes();
    const before = registry.resolve('h', '/a');
    const [endpoint] = before?.upstream.endpoints ?? [];
    const told = services.length;
    await reconfigure(registry, {
      ...config,
      timeouts: { ...defaults.timeouts, connectMs: 123 },
      retry: { ...defaults.retry, attempts: 7, budgetRatio: 0.9 },
      services: [
        { service: 'b', instances: undefined, settings: { balance: 'least-requests', sticky: 'cookie' } },
      ],
    });
    const [a, b] = [registry.resolve('h', '/a'), registry.resolve('h', '/b')];
    expect(a).toMatchObject({ timeouts: { connectMs: 123 }, retry: { attempts: 7 }, sticky: 'off' });
    expect(a?.upstream.endpoints).toEqual([endpoint]);
    expect(a?.budget).not.toBe(before?.budget);
    expect(b?.sticky).toBe('cookie');
    expect(b?.upstream.policy.balance).toBe('least-requests');
    expect(services.slice(told)).toMatchObject([
      { service: 'b', settings: { sticky: 'cookie' }, instances: { added: [], removed: [], updated: [] } },
    ]);
  });

  it('judges addresses and holds removals by the new rules', async () => {
    const { registry, config } = await twoRoutes();
    await reconfigure(registry, { ...config, addresses: { ...defaults.addresses, deny: ['10.0.0.0/8'] } });
    expect(leased(registry, '/a')).toBeUndefined();
    expect(registry.service('a')?.snapshot?.quarantined).toMatchObject([{ id: 'a1' }]);
    await reconfigure(registry, config);
    expect(leased(registry, '/a')?.id).toBe('a1');
  });

  it('turns a watched service into a fixed list and back', async () => {
    const { registry, config, feeds, snapshot } = await twoRoutes();
    const watch = feeds.get('a');
    const list = { service: 'a', instances: [{ address: '10.0.0.7', port: 7 }], settings: {} };
    await reconfigure(registry, { ...config, services: [list] });
    expect(watch?.signal.aborted).toBe(true);
    expect(registry.service('a')).toMatchObject({
      watch: { kind: 'fixed' },
      snapshot: { instances: [{ port: 7 }] },
    });

    await reconfigure(registry, {
      ...config,
      services: [{ ...list, instances: [{ address: '::1', port: 8 }] }],
    });
    expect(leased(registry, '/a')?.port).toBe(8);

    const back = reconfigure(registry, config);
    await turn();
    expect(leased(registry, '/a')?.port).toBe(8);
    await snapshot('a', instance('a', 'a1', [], { port: 1 }));
    await back;
    expect(registry.service('a')?.snapshot?.instances.map(({ port }) => port)).toEqual([1]);
    expect(registry.service('a')?.watch.kind).toBe('live');
  });
});
