import {
  type Catalog,
  compareSnapshots,
  fixedSnapshot,
  type Instance,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
} from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { instance, leased, setUp, turn } from '../testing/registry-world.ts';
import type { RegistrySource } from './registry-source.ts';

/** The simplest source there can be: a list that never changes. */
function listSource(name: string, lists: Readonly<Record<string, readonly Instance[]>>): RegistrySource {
  async function* once<T>(value: T, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    yield { kind: 'value', value };
    if (!signal.aborted) {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    }
  }
  const tagsOf = (list: readonly Instance[]): readonly string[] => list.flatMap(({ tags }) => tags);
  return {
    name,
    trust: 'registry',
    watchCatalog: ({ signal }) =>
      once<Catalog>(
        {
          index: '1',
          services: Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, tagsOf(list)])),
        },
        signal,
      ),
    watchService: (service, { signal, seed }) => {
      const instances = lists[service] ?? [];
      const after: Snapshot = { ...fixedSnapshot(service, []), instances };
      return once<SnapshotChange>(compareSnapshots(seed, after), signal);
    },
  };
}

function from(source: string, service: string, id: string, tags: string[] = []): Instance {
  return instance(service, id, tags, { key: `${source}/n/${id}`, cluster: source, address: '10.0.0.9' });
}

describe('two sources', () => {
  it('route the services of both, and merge what they list of one', async () => {
    const other = listSource('b', {
      shop: [from('b', 'shop', 's1', ['urlprefix-/shop'])],
      'api-service': [from('b', 'api-service', 'b1')],
    });
    const { registry, catalog, snapshot, services } = setUp(undefined, [], { others: [other] });
    await catalog({ 'api-service': [] });
    await snapshot('webapp-service');
    await snapshot('api-service', instance('api-service', 'a1', []), instance('api-service', 'a2', []));
    await snapshot('shop', instance('shop', 's2', []));
    expect(leased(registry, '/shop')?.cluster).toBe('b');
    const ids = (): readonly string[] =>
      registry.service('api-service')?.snapshot?.instances.map(({ id }) => id) ?? [];
    expect(ids()).toEqual(['b1', 'a1', 'a2']);
    expect(registry.listedEndpoints().size).toBe(5);
    await registry.synced;

    const told = services.length;
    await snapshot('api-service', instance('api-service', 'a2', []));
    expect(ids()).toEqual(['b1', 'a2']);
    expect(services.slice(told)).toMatchObject([
      { service: 'api-service', instances: { removed: [{ id: 'a1' }], added: [], updated: [] } },
    ]);
    expect(
      registry.savable()?.snapshots.map(({ service, instances }) => [service, instances.length]),
    ).toEqual(
      expect.arrayContaining([
        ['api-service', 1],
        ['api-service', 1],
        ['shop', 1],
      ]),
    );
    expect(Object.keys(registry.savable()?.catalog.services ?? {})).toEqual(['api-service', 'shop']);
  });

  it('stand for each other: what one can no longer see, the other still serves', async () => {
    const other = listSource('b', { 'api-service': [from('b', 'api-service', 'b1')] });
    const { registry, catalog, snapshot, feeds } = setUp(undefined, [], { others: [other] });
    await catalog({});
    await snapshot('api-service');
    expect(leased(registry, '/api')?.id).toBe('b1');
    feeds
      .get('api-service')!
      .push({ kind: 'stale', attempt: 1, failure: 'timeout', message: 'no answer', retryInMs: 1 });
    await turn();
    expect(registry.service('api-service')?.watch).toMatchObject({ kind: 'stale', message: 'no answer' });
    expect(leased(registry, '/api')?.id).toBe('b1');
  });

  it('are judged each by its own trust', async () => {
    const metadata = { ...from('b', 'api-service', 'b1'), address: '169.254.169.254' };
    const lists = { 'api-service': [metadata] };
    const doubted = setUp(undefined, [], { others: [listSource('b', lists)] });
    await doubted.catalog({});
    expect(doubted.registry.service('api-service')?.snapshot?.quarantined).toHaveLength(1);
    const believed = setUp(undefined, [], { others: [{ ...listSource('b', lists), trust: 'config' }] });
    await believed.catalog({});
    expect(leased(believed.registry, '/api')?.id).toBe('b1');
  });
});
