import type { Catalog, Instance, Snapshot, WatchEvent } from '@roundhouse/agent-sdk/discovery';
import { afterEach, describe, expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import type { RouteConfig, ServiceConfig } from '../config/gateway-config.ts';
import { createAddressPolicy } from './address-policy.ts';
import { createRegistry, type Registry, type RegistryChange, type RegistryOptions } from './registry.ts';

/** An async iterable that a test pushes into; ends with its signal. */
function channel<T>(signal: AbortSignal) {
  const queue: T[] = [];
  let wake: () => void = () => undefined;
  signal.addEventListener('abort', () => {
    wake();
  });
  async function* iterate(): AsyncGenerator<T> {
    while (!signal.aborted) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  return {
    push(value: T) {
      queue.push(value);
      wake();
    },
    stream: iterate(),
    signal,
  };
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function instance(service: string, id: string, tags: string[], more: Partial<Instance> = {}): Instance {
  const key = `c/n/${id}`;
  return {
    key,
    cluster: 'c',
    node: 'n',
    id,
    service,
    address: '10.0.0.1',
    port: 1000,
    tags,
    meta: {},
    status: 'passing',
    weight: 1,
    createIndex: 1,
    ...more,
  };
}

/** The instance that the next request to a path gets. */
function leased(registry: Registry, path: string, tag?: string): Instance | undefined {
  const lease = registry.resolve('h', path)?.upstream.acquire({ tag, tried: [] });
  return typeof lease === 'object' ? lease.endpoint.instance : undefined;
}

function setUp(
  routes: readonly RouteConfig[] = defaults.routes,
  services: ServiceConfig[] = [],
  more: Partial<RegistryOptions> = {},
) {
  const changes: RegistryChange[] = [];
  const feeds = new Map<string, ReturnType<typeof channel<WatchEvent<Snapshot>>>>();
  const seeds = new Map<string, Snapshot | undefined>();
  let nowMs = 0;
  const abort = new AbortController();
  const catalog = channel<WatchEvent<Catalog>>(abort.signal);
  const registry = createRegistry({
    config: { ...defaults, routes, services },
    addresses: createAddressPolicy({
      rules: defaults.addresses,
      consul: undefined,
      listeners: [],
      localAddresses: [],
    }),
    probe: undefined,
    watchService(service, signal, seed) {
      const feed = channel<WatchEvent<Snapshot>>(signal);
      feeds.set(service, feed);
      seeds.set(service, seed);
      return feed.stream;
    },
    watchCatalog: () => catalog.stream,
    onChange: (change) => changes.push(change),
    // Every look at the clock is a second later, so that no table has to wait.
    now: () => (nowMs += 1_000),
    random: () => 0,
    ...more,
  });
  const running = registry.run(abort.signal);
  stops.push(async () => {
    abort.abort();
    await running;
  });
  return {
    registry,
    changes,
    feeds,
    seeds,
    stop: () => {
      abort.abort();
      return running;
    },
    async catalog(services: Record<string, string[]>) {
      catalog.push({ kind: 'value', value: { index: '1', services } });
      await turn();
      await turn();
    },
    async stale() {
      catalog.push({
        kind: 'stale',
        attempt: 1,
        failure: 'unreachable',
        message: 'no Consul',
        retryInMs: 250,
      });
      await turn();
    },
    async snapshot(service: string, ...instances: Instance[]) {
      const feed = feeds.get(service);
      if (feed === undefined) throw new Error(`${service} is not watched`);
      feed.push({ kind: 'value', value: { service, index: '1', instances, quarantined: [], held: [] } });
      await turn();
      await turn();
    },
  };
}

describe('createRegistry', () => {
  it('routes the two built-in prefixes before it knows any instance', () => {
    const { registry } = setUp();
    expect(registry.resolve('h', '/api/x')?.route.service).toBe('api-service');
    expect(registry.resolve('h', '/')?.route.service).toBe('webapp-service');
    expect(registry.waitingFor()).toEqual(['api-service', 'webapp-service']);
  });

  it('feeds snapshots to the upstream that requests resolve to', async () => {
    const { registry, snapshot, changes } = setUp();
    await turn();
    await snapshot('api-service', instance('api-service', 'a', []));
    expect(leased(registry, '/api')?.id).toBe('a');
    expect(changes).toContainEqual(expect.objectContaining({ kind: 'instances' }));
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
    expect(registry.resolve('h', '/x')?.route.service).toBe('late');
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

  it('keeps serving what it has while the registry cannot be followed, and says so', async () => {
    const { registry, changes, catalog, snapshot, stale } = setUp();
    await catalog({});
    await snapshot('api-service', instance('api-service', 'a', []));
    await stale();
    expect(registry.catalog).toMatchObject({ kind: 'stale', message: 'no Consul' });
    expect(leased(registry, '/api')).toBeDefined();
    await catalog({});
    expect(
      changes
        .filter((change) => change.kind === 'stale' || change.kind === 'live')
        .map((change) => change.kind),
    ).toEqual(['stale', 'live']);
  });

  it('shows tags that it can’t follow', async () => {
    const { registry, changes, catalog, snapshot } = setUp();
    await catalog({ shop: ['urlprefix-:1234 proto=tcp'] });
    await snapshot('shop', instance('shop', 's', ['urlprefix-:1234 proto=tcp']));
    expect(registry.services.find((service) => service.service === 'shop')?.invalidTags).toHaveLength(1);
    expect(changes).toContainEqual(expect.objectContaining({ kind: 'invalid', service: 'shop' }));
  });

  it('serves a fixed list without watching it', () => {
    const routes: RouteConfig[] = [
      {
        host: undefined,
        prefix: '/',
        service: 'legacy',
        strip: undefined,
        timeouts: {},
        retry: {},
        hedgeAfterMs: undefined,
        source: 'config',
      },
    ];
    const { registry, feeds } = setUp(routes, [
      { service: 'legacy', instances: [{ address: '10.0.0.5', port: 9001 }], settings: {} },
    ]);
    expect(leased(registry, '/x')).toMatchObject({ address: '10.0.0.5', port: 9001 });
    expect(registry.waitingFor()).toEqual([]);
    expect(feeds.has('legacy')).toBe(false);
  });

  it('ends every watch when it is stopped', async () => {
    const { catalog, feeds, stop } = setUp();
    await catalog({ shop: ['urlprefix-/shop'] });
    await stop();
    expect([...feeds.values()].every((feed) => feed.signal.aborted)).toBe(true);
  });
});
