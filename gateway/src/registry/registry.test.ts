import { describe, expect, it, vi } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { defaults } from '../config/defaults.ts';
import type { RouteConfig } from '../config/gateway-config.ts';
import type { SavedTable } from './persistence/saved-table-format.ts';
import { instance, leased, setUp, turn } from './testing/registry-world.ts';

describe('createRegistry', () => {
  it('routes nothing that a service could claim before it knows what is claimed', async () => {
    const { registry, catalog, snapshot } = setUp();
    expect(registry.resolve('h', '/pay')).toBeUndefined();
    expect(registry.areClaimsKnown).toBe(false);
    await catalog({ pay: ['urlprefix-/pay'] });
    expect(registry.resolve('h', '/pay')).toBeUndefined();
    await snapshot('pay', instance('pay', 'p', ['urlprefix-/pay']));
    expect(registry.areClaimsKnown).toBe(true);
    expect(registry.resolve('h', '/pay')?.route.service).toBe('pay');
    expect(registry.resolve('h', '/cart')).toBeUndefined();
    await snapshot('webapp-service', instance('webapp-service', 'w', []));
    expect(registry.resolve('h', '/cart')?.route.service).toBe('webapp-service');
  });

  it('routes a prefix of the configuration from the start, but for the root', () => {
    const configured = defaults.routes.map((route) => ({ ...route, source: 'config' as const }));
    const { registry } = setUp(configured);
    expect(registry.resolve('h', '/api/x')?.route.service).toBe('api-service');
    expect(registry.resolve('h', '/')).toBeUndefined();
  });

  it('does not wait for a service that alone can not be read', async () => {
    const { registry, catalog, feeds } = setUp([]);
    await catalog({ secret: ['urlprefix-/secret'] });
    expect(registry.waitingFor()).toEqual(['secret']);
    const failed = { kind: 'stale', attempt: 1, message: 'no', retryInMs: 1 } as const;
    feeds.get('secret')?.push({ ...failed, failure: 'unavailable' });
    await turn();
    expect(registry.areClaimsKnown).toBe(false);
    feeds.get('secret')?.push({ ...failed, failure: 'forbidden' });
    await turn();
    expect(registry.waitingFor()).toEqual([]);
    expect(registry.areClaimsKnown).toBe(true);
  });

  it('routes a built-in prefix from the first instance of its service on, and remembers it after the last', async () => {
    const { registry, catalog, snapshot, tables } = setUp();
    await catalog({});
    expect(registry.waitingFor()).toEqual(['api-service', 'webapp-service']);
    await snapshot('api-service');
    await snapshot('webapp-service');
    expect(registry.areClaimsKnown).toBe(true);
    expect(registry.table.routes).toEqual([]);
    await snapshot('api-service', instance('api-service', 'a', [], { status: 'critical' }));
    await turn();
    expect(registry.resolve('h', '/api/x')?.route.service).toBe('api-service');
    expect(registry.resolve('h', '/')).toBeUndefined();
    expect(registry.remembered.size).toBe(0);
    await snapshot('api-service');
    await turn();
    expect(registry.resolve('h', '/api/x')?.route.service).toBe('api-service');
    expect([...registry.remembered.keys()]).toEqual(['/api']);
    expect(registry.releaseRoute('/api')).toBe('api-service');
    expect(registry.resolve('h', '/api/x')).toBeUndefined();
    expect(tables.at(-1)?.after).toEqual([]);
    await snapshot('api-service', instance('api-service', 'a', []));
    await turn();
    expect(registry.resolve('h', '/api/x')?.route.service).toBe('api-service');
  });

  it('feeds snapshots to the upstream that requests resolve to', async () => {
    const { registry, catalog, snapshot, services } = setUp();
    await catalog({});
    await snapshot('api-service', instance('api-service', 'a', []));
    expect(leased(registry, '/api')?.id).toBe('a');
    expect(services).toMatchObject([{ service: 'api-service', instances: { added: [{ id: 'a' }] } }]);
    expect([...registry.listedEndpoints()]).toEqual(['c/n/a@10.0.0.1:1000']);
  });

  it('watches a service as soon as the catalog shows a route tag, and routes it', async () => {
    const { registry, catalog, snapshot, feeds } = setUp();
    await catalog({ consul: [], shop: ['v2', 'urlprefix-/shop'], mail: ['smtp'] });
    expect([...feeds.keys()].sort()).toEqual(['api-service', 'shop', 'webapp-service']);
    await snapshot('shop', instance('shop', 's', ['urlprefix-/shop strip=/shop']));
    expect(registry.resolve('h', '/shop/x')?.route).toMatchObject({ service: 'shop', strip: '/shop' });
  });

  it('is synced when the catalog and the services then known have answered', async () => {
    const { registry, catalog, snapshot } = setUp();
    let synced = false;
    void registry.synced.then(() => {
      synced = true;
    });
    await catalog({ shop: ['urlprefix-/shop'] });
    await snapshot('api-service');
    await snapshot('webapp-service');
    expect(synced).toBe(false);
    await snapshot('shop');
    expect(synced).toBe(true);
  });

  it('settles a conflict at the start by who registered first, whatever the order of answers', async () => {
    const { registry, catalog, snapshot } = setUp();
    await catalog({ late: ['urlprefix-/x'], early: ['urlprefix-/x'] });
    await snapshot('late', instance('late', 'l', ['urlprefix-/x'], { createIndex: 9 }));
    expect(registry.table.match('h', '/x')?.service).toBe('late');
    await snapshot('early', instance('early', 'e', ['urlprefix-/x'], { createIndex: 3 }));
    expect(registry.resolve('h', '/x')?.route.service).toBe('early');
    await snapshot('api-service');
    await snapshot('webapp-service');
    expect(registry.rejected).toMatchObject([{ service: 'late', prefix: '/x' }]);
    // From now on there is an incumbent.
    await catalog({ late: ['urlprefix-/x'], early: ['urlprefix-/x'], ancient: ['urlprefix-/x'] });
    await snapshot('ancient', instance('ancient', 'a', ['urlprefix-/x'], { createIndex: 1 }));
    expect(registry.resolve('h', '/x')?.route.service).toBe('early');
  });

  it('keeps a route whose service has gone, stops watching it, and takes it up again', async () => {
    const { registry, catalog, snapshot, feeds } = setUp();
    await catalog({ shop: ['urlprefix-/shop'] });
    await snapshot('shop', instance('shop', 's', ['urlprefix-/shop']));
    await snapshot('api-service');
    await snapshot('webapp-service');
    await snapshot('shop');
    await catalog({});
    expect(feeds.get('shop')?.signal.aborted).toBe(true);
    expect(leased(registry, '/shop')).toBeUndefined();
    await catalog({ shop: ['urlprefix-/shop'] });
    await snapshot('shop', instance('shop', 's2', ['urlprefix-/shop']));
    expect(leased(registry, '/shop', 'urlprefix-/shop')?.id).toBe('s2');
  });

  it('calls nothing stale that it no longer watches: the catalog speaks for a service that has gone', async () => {
    const { registry, watches, feeds, catalog, snapshot } = setUp([]);
    await catalog({ orders: ['urlprefix-/orders'] });
    await snapshot('orders', instance('orders', 'o1', ['urlprefix-/orders']));
    await snapshot('orders');
    const gone = feeds.get('orders');
    gone?.push({ kind: 'stale', attempt: 1, failure: 'unreachable', message: 'no Consul', retryInMs: 250 });
    await turn();
    expect([registry.service('orders')?.watch.kind, registry.savable()]).toEqual(['stale', undefined]);
    await catalog({});
    expect(gone?.signal.aborted).toBe(true);
    expect(registry.service('orders')?.watch.kind).toBe('live');
    expect(watches.at(-1)).toEqual({ kind: 'live', of: 'orders', source: 'c' });
    expect(registry.savable()?.catalog.services).toEqual({});
  });

  it('keeps serving what it has while the registry cannot be followed, and says so', async () => {
    const { registry, watches, catalog, snapshot, stale } = setUp();
    await catalog({});
    await snapshot('api-service', instance('api-service', 'a', []));
    await stale();
    expect(registry.catalog).toMatchObject({ kind: 'stale', message: 'no Consul' });
    expect(leased(registry, '/api')).toBeDefined();
    await catalog({});
    expect(watches.map(({ kind }) => kind)).toEqual(['stale', 'live']);
  });

  it('shows tags that it can’t follow', async () => {
    const { registry, services, catalog, snapshot } = setUp();
    await catalog({ shop: ['urlprefix-:1234 proto=tcp'] });
    await snapshot('shop', instance('shop', 's', ['urlprefix-:1234 proto=tcp']));
    expect(registry.services.find((service) => service.service === 'shop')?.invalidTags).toHaveLength(1);
    expect(services.at(-1)?.invalidTags).toMatchObject([{ invalid: 'urlprefix-:1234 proto=tcp' }]);
  });

  it('serves a fixed list without watching it', async () => {
    const routes: RouteConfig[] = [
      {
        host: undefined,
        prefix: '/',
        service: 'legacy',
        strip: undefined,
        timeouts: {},
        retry: {},
        hedgeAfterMs: undefined,
        paths: undefined,
        source: 'config',
      },
    ];
    const { registry, feeds, catalog } = setUp(routes, [
      { service: 'legacy', instances: [{ address: '10.0.0.5', port: 9001 }], settings: {} },
    ]);
    await catalog({});
    expect(leased(registry, '/x')).toMatchObject({ address: '10.0.0.5', port: 9001 });
    expect(registry.waitingFor()).toEqual([]);
    expect(feeds.has('legacy')).toBe(false);
  });

  it('makes ten tables a second at most in a storm, and none for what changes no route', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let nowMs = 0;
    try {
      const { catalog, snapshot, services, registry } = setUp(defaults.routes, [], { now: () => nowMs });
      await catalog({ storm: ['urlprefix-/0'] });
      const tables = new Set([registry.table]);
      for (let number = 0; number < 300; number += 1) {
        await snapshot('storm', instance('storm', 's', [`urlprefix-/${number}`], { port: 1 + number }));
        tables.add(registry.table);
        nowMs += 1000 / 300;
        vi.advanceTimersByTime(1000 / 300);
      }
      expect(tables.size).toBeGreaterThan(8);
      expect(tables.size).toBeLessThanOrEqual(12);
      nowMs += 100;
      vi.advanceTimersByTime(100);
      expect(registry.resolve('h', '/299')?.route.service).toBe('storm');
      const { table } = registry;
      await snapshot('storm', instance('storm', 's', ['urlprefix-/299'], { port: 7_000 }));
      nowMs += 1_000;
      vi.advanceTimersByTime(1_000);
      expect(registry.table).toBe(table);
      expect(services).toHaveLength(301);
    } finally {
      vi.useRealTimers();
    }
  });

  it('has every route in its table by the time it is synced', async () => {
    const { registry, catalog, snapshot } = setUp(defaults.routes, [], { now: () => 0 });
    await catalog({ shop: ['urlprefix-/shop'], mail: ['urlprefix-/mail'] });
    for (const service of ['api-service', 'webapp-service']) await snapshot(service);
    await snapshot('shop', instance('shop', 's', ['urlprefix-/shop']));
    await snapshot('mail', instance('mail', 'm', ['urlprefix-/mail']));
    await registry.synced;
    expect(registry.resolve('h', '/mail')?.route.service).toBe('mail');
  });

  it('gives a route the settings, rules and timeouts that hold for it', async () => {
    const { registry, snapshot } = setUp(
      [
        {
          host: undefined,
          prefix: '/api',
          service: 'api-service',
          strip: undefined,
          timeouts: { connectMs: 7 },
          retry: { attempts: 1 },
          hedgeAfterMs: 50,
          paths: undefined,
          source: 'config',
        },
      ],
      [{ service: 'api-service', instances: undefined, settings: { sticky: 'cookie' } }],
    );
    const before = registry.resolve('h', '/api');
    expect(before).toMatchObject({
      timeouts: { ...defaults.timeouts, connectMs: 7 },
      retry: { attempts: 1, statuses: defaults.retry.statuses },
      hedgeAfterMs: 50,
      sticky: 'cookie',
      hash: { kind: 'client-ip' },
    });
    await turn();
    const meta = { hash: 'path', sticky: 'off', balance: 'consistent-hash' };
    await snapshot('api-service', instance('api-service', 'a', [], { meta }));
    const after = registry.resolve('h', '/api');
    // What the configuration says of the service wins; budget and upstream go on.
    expect(after).toMatchObject({ hash: { kind: 'path' }, sticky: 'cookie' });
    expect(after?.upstream).toBe(before?.upstream);
    expect(after?.budget).toBe(before?.budget);
    expect(registry.service('api-service')?.upstream.policy.balance).toBe('consistent-hash');
    await snapshot('api-service');
    expect(registry.resolve('h', '/api')?.hash).toEqual({ kind: 'path' });
  });

  describe('with held instances', () => {
    it('asks them, lets the dead go, and tells so', async () => {
      const { registry, held, services, letGo } = setUp(defaults.routes, [], {
        probe: ({ id }) => Promise.resolve(id === 'dead' ? 'connection refused' : undefined),
      });
      await turn();
      await held(
        'api-service',
        instance('api-service', 'dead', []),
        instance('api-service', 'lives', [], { port: 2 }),
      );
      await eventually(() => {
        expect(registry.service('api-service')?.snapshot?.instances.map(({ id }) => id)).toEqual(['lives']);
      });
      expect(registry.service('api-service')?.held).toMatchObject([
        { instance: { id: 'lives' }, because: 'removal', probe: { kind: 'alive' } },
      ]);
      expect(letGo).toMatchObject([{ reason: 'it does not answer: connection refused' }]);
      expect(services.filter((change) => change.held.length > 0)).toHaveLength(1);
      expect([...registry.listedEndpoints()]).toEqual(['c/n/lives@10.0.0.1:2']);
    });

    it('lets all go when the operator says so, and keeps nothing back that is listed again', async () => {
      const { registry, catalog, held, snapshot } = setUp();
      await catalog({});
      await held('api-service', instance('api-service', 'a', []));
      expect(leased(registry, '/api')?.id).toBe('a');
      expect(registry.release('api-service')).toEqual(['a']);
      expect(leased(registry, '/api')).toBeUndefined();
      await snapshot('api-service', instance('api-service', 'a', []));
      expect(leased(registry, '/api')?.id).toBe('a');
      expect(registry.release('api-service')).toEqual([]);
      expect(registry.release('nobody')).toBeUndefined();
    });

    it('saves nothing while anything is held or stale, and everything else when all is live', async () => {
      const { registry, catalog, snapshot, held } = setUp();
      expect(registry.savable()).toBeUndefined();
      await catalog({ shop: ['urlprefix-/shop'] });
      await snapshot('webapp-service');
      await snapshot('shop', instance('shop', 's', ['urlprefix-/shop']));
      await snapshot('api-service', instance('api-service', 'a', []));
      expect(registry.savable()).toMatchObject({
        catalog: { services: { shop: ['urlprefix-/shop'] } },
        routes: [
          { route: { prefix: '/shop', service: 'shop' }, served: false, idleForMs: 0 },
          { route: { prefix: '/api', service: 'api-service', source: 'default' }, served: true },
        ],
      });
      expect(
        registry
          .savable()
          ?.snapshots.map(({ service }) => service)
          .sort(),
      ).toEqual(['api-service', 'shop', 'webapp-service']);
      await held('api-service', instance('api-service', 'a', []));
      expect(registry.savable()).toBeUndefined();
    });
  });

  describe('with a saved table', () => {
    const saved = (...services: string[]): SavedTable => ({
      catalog: { index: '1', services: Object.fromEntries(services.map((name) => [name, []])) },
      snapshots: services.map((service) => ({
        service,
        index: '1',
        instances: [instance(service, `${service}-1`, [`urlprefix-/x`])],
        quarantined: [],
        held: [],
      })),
      routes: [],
    });

    it('serves it, marked stale, and follows it up with watches that know it', async () => {
      const { registry, seeds, adopted, snapshot } = setUp();
      await turn();
      registry.adopt(saved('api-service', 'shop'), 60_000);
      expect(leased(registry, '/api')?.id).toBe('api-service-1');
      expect(registry.resolve('h', '/x')?.route.service).toBe('api-service');
      expect(registry.service('shop')?.watch).toMatchObject({ kind: 'stale' });
      expect(seeds.get('shop')?.instances).toHaveLength(1);
      expect(adopted).toEqual([{ services: ['api-service', 'shop'], ageMs: 60_000 }]);
      expect(registry.savable()).toBeUndefined();
      await snapshot('api-service', instance('api-service', 'new', []));
      expect(leased(registry, '/api')?.id).toBe('new');
      expect(registry.service('api-service')?.watch.kind).toBe('live');
    });

    it('leaves alone what has answered, what the catalog no longer names, and fixed lists', async () => {
      const fixed = { service: 'legacy', instances: [{ address: '10.0.0.5', port: 1 }], settings: {} };
      const { registry, catalog, snapshot } = setUp(defaults.routes, [fixed]);
      await catalog({ shop: [] });
      await snapshot('api-service', instance('api-service', 'true', []));
      registry.adopt(saved('api-service', 'gone', 'legacy', 'shop'), 1);
      expect(leased(registry, '/api')?.id).toBe('true');
      expect(registry.service('gone')).toBeUndefined();
      expect(registry.service('legacy')?.watch.kind).toBe('fixed');
      expect(registry.service('shop')?.snapshot?.instances).toHaveLength(1);
    });

    it('lets the owner of a route keep it over the restart', async () => {
      const { registry, catalog, snapshot } = setUp();
      await turn();
      const table = saved('early', 'owner');
      const route = {
        host: undefined,
        prefix: '/x',
        service: 'owner',
        strip: undefined,
        tag: 'urlprefix-/x',
        timeouts: {},
        source: 'registry',
      } as const;
      registry.adopt({ ...table, routes: [{ route, served: true, idleForMs: 0 }] }, 1);
      expect(registry.resolve('h', '/x')?.route.service).toBe('owner');
      await catalog({ early: ['urlprefix-/x'], owner: ['urlprefix-/x'] });
      await snapshot('owner', instance('owner', 'o', ['urlprefix-/x'], { createIndex: 9 }));
      await snapshot('early', instance('early', 'e', ['urlprefix-/x'], { createIndex: 1 }));
      expect(registry.resolve('h', '/x')?.route.service).toBe('owner');
    });
  });

  it('judges addresses, also again when our own listeners are known', async () => {
    const { registry, snapshot } = setUp();
    await turn();
    await snapshot(
      'api-service',
      instance('api-service', 'good', [], { address: '127.0.0.1', port: 9 }),
      instance('api-service', 'loop', [], { address: '127.0.0.1', port: 8080 }),
      instance('api-service', 'metadata', [], { address: '169.254.169.254' }),
      instance('api-service', 'named', [], { address: 'api.internal', port: 80 }),
      instance('api-service', 'self', [], { address: 'self.internal', port: 8080 }),
    );
    const ids = () => registry.service('api-service')?.snapshot?.instances.map(({ id }) => id);
    expect(ids()).toEqual(['good', 'loop', 'named', 'self']);
    const listeners = [{ host: '0.0.0.0', port: 8080 }];
    registry.setListeners(listeners);
    expect(ids()).toEqual(['good', 'named', 'self']);
    expect(registry.service('api-service')?.snapshot?.quarantined).toMatchObject([
      { id: 'loop', reason: expect.stringContaining('this gateway itself') as string },
      { id: 'metadata' },
    ]);
    expect(registry.judgeResolved('127.0.0.1', 'api.internal')).toBeUndefined();
    expect(registry.judgeResolved('127.0.0.1', 'self.internal')).toContain('this gateway itself');
    expect(registry.judgeResolved('169.254.169.254', 'unknown.internal')).toContain('metadata');
  });

  it('ends every watch when it is stopped', async () => {
    const { catalog, feeds, stop } = setUp();
    await catalog({ shop: ['urlprefix-/shop'] });
    await stop();
    expect([...feeds.values()].every((feed) => feed.signal.aborted)).toBe(true);
  });
});
