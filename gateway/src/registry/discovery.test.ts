import { describe, expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import { instance, leased, setUp } from './testing/registry-world.ts';

describe('a gateway for a part of the registry', () => {
  it('uses only instances with one of its tags, for claims, built-in routes and routes of the file', async () => {
    const discovery = { ...defaults.discovery, onlyTags: ['public', 'edge'] };
    const { registry, catalog, snapshot, feeds } = setUp([], [], { config: { ...defaults, discovery } });
    await catalog({ shop: ['urlprefix-/shop', 'public'], internal: ['urlprefix-/internal'] });
    expect([...feeds.keys()].sort()).toEqual(['api-service', 'shop', 'webapp-service']);
    await snapshot('api-service', instance('api-service', 'a', ['urlprefix-/api']));
    await snapshot('webapp-service', instance('webapp-service', 'w', ['edge']));
    await snapshot(
      'shop',
      instance('shop', 'in', ['urlprefix-/shop', 'urlprefix-/admin'], { meta: { 'roundhouse-key': 'k' } }),
      instance('shop', 'out', ['urlprefix-/shop', 'public']),
    );
    await registry.synced;
    expect(leased(registry, '/shop', 'urlprefix-/shop')?.id).toBe('out');
    expect(registry.service('shop')?.upstream.endpoints).toHaveLength(1);
    // Without the key that it asks with: told that it is left out, it would wait for this gateway at a stop.
    expect(registry.service('shop')?.snapshot?.quarantined).toEqual([
      { node: 'n', id: 'in', reason: 'it has no tag of public, edge', key: undefined },
    ]);
    const rest = ['/api', '/admin', '/internal'].map((path) => registry.resolve('h', path)?.route.service);
    expect(rest).toEqual(['webapp-service', 'webapp-service', 'webapp-service']);
  });

  it('reads tags of its own prefix as claims, and believes lists of the configuration', async () => {
    const discovery = { tagPrefix: 'public-', onlyTags: ['public'] };
    const services = [
      { service: 'old', instances: [{ address: '10.0.0.7', port: 7 }], settings: {} },
    ] as const;
    const { registry, catalog, snapshot, feeds } = setUp([], [], {
      config: {
        ...defaults,
        discovery,
        services,
        routes: [{ ...defaults.routes[0]!, prefix: '/old', service: 'old', source: 'config' }],
      },
    });
    await catalog({ shop: ['public', 'public-/shop'], internal: ['public', 'urlprefix-/internal'] });
    expect([...feeds.keys()]).toEqual(['shop']);
    await snapshot('shop', instance('shop', 's', ['urlprefix-/in', 'public-/shop', 'public']));
    await registry.synced;
    expect(leased(registry, '/shop', 'public-/shop')?.id).toBe('s');
    expect(registry.resolve('h', '/in')).toBeUndefined();
    expect(leased(registry, '/old')?.port).toBe(7);
  });
});
