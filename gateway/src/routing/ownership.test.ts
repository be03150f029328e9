import { describe, expect, it } from 'vitest';

import { noOwnership, resolveRoutes, type OwnershipFacts, type ServiceClaim } from './ownership.ts';
import type { Route } from './route.ts';

function claim(
  service: string,
  prefix: string,
  more: { since?: number; serving?: number; strip?: string } = {},
): ServiceClaim {
  const { strip } = more;
  const tag = `urlprefix-${prefix}${strip === undefined ? '' : ` strip=${strip}`}`;
  return {
    service,
    claim: { host: undefined, prefix, strip, tag },
    serving: more.serving ?? 1,
    since: more.since ?? 1,
  };
}

function configured(prefix: string, service: string, source: 'config' | 'default'): Route {
  return { host: undefined, prefix, service, strip: undefined, tag: undefined, timeouts: {}, source };
}

const facts = (claims: ServiceClaim[], more: Partial<OwnershipFacts> = {}): OwnershipFacts => ({
  configured: [],
  claims,
  wasSeen: () => true,
  ...more,
});

const owners = (routes: readonly Route[]) =>
  Object.fromEntries(routes.map((route) => [route.prefix, route.service]));

describe('resolveRoutes', () => {
  it('gives a claimed prefix to its service, served by the instances that claim it', () => {
    const { routes } = resolveRoutes(noOwnership, facts([claim('shop', '/shop')]));
    expect(routes).toMatchObject([
      { prefix: '/shop', service: 'shop', tag: 'urlprefix-/shop', source: 'registry' },
    ]);
  });

  it('lets the incumbent keep its prefix and rejects the newcomer with a reason', () => {
    const first = resolveRoutes(noOwnership, facts([claim('zebra', '/x', { since: 9 })]));
    const second = resolveRoutes(
      first,
      facts([claim('ant', '/x', { since: 1 }), claim('zebra', '/x', { since: 9 })]),
    );
    expect(owners(second.routes)).toEqual({ '/x': 'zebra' });
    expect(second.rejected).toMatchObject([{ service: 'ant', prefix: '/x' }]);
    expect(second.rejected[0]?.reason).toContain('zebra');
  });

  it('settles a first conflict by who registered first, then by name', () => {
    expect(
      owners(
        resolveRoutes(noOwnership, facts([claim('a', '/x', { since: 5 }), claim('b', '/x', { since: 4 })]))
          .routes,
      ),
    ).toEqual({ '/x': 'b' });
    expect(owners(resolveRoutes(noOwnership, facts([claim('b', '/x'), claim('a', '/x')])).routes)).toEqual({
      '/x': 'a',
    });
  });

  it('passes a prefix on when no instance of the incumbent claims it any more', () => {
    const first = resolveRoutes(noOwnership, facts([claim('a', '/x')]));
    const second = resolveRoutes(first, facts([claim('b', '/x')]));
    expect(owners(second.routes)).toEqual({ '/x': 'b' });
  });

  it('remembers a prefix that nobody claims any more, so that it is 503 and not 404', () => {
    const first = resolveRoutes(noOwnership, facts([claim('a', '/x')]));
    const gone = resolveRoutes(first, facts([]));
    expect(owners(gone.routes)).toEqual({ '/x': 'a' });
    expect(owners(resolveRoutes(gone, facts([claim('a', '/x')])).routes)).toEqual({ '/x': 'a' });
  });

  it('never lets a claim take a configured route', () => {
    const result = resolveRoutes(
      noOwnership,
      facts([claim('rogue', '/pay'), claim('pay', '/pay')], {
        configured: [configured('/pay', 'pay', 'config')],
      }),
    );
    expect(owners(result.routes)).toEqual({ '/pay': 'pay' });
    expect(result.routes[0]?.tag).toBeUndefined();
    expect(result.rejected.map((row) => row.service)).toEqual(['rogue']);
  });

  it('lets a built-in route give way only while its own service was never seen', () => {
    const builtIn = [configured('/', 'webapp-service', 'default')];
    const claims = [claim('shop', '/')];
    const unseen = resolveRoutes(
      noOwnership,
      facts(claims, { configured: builtIn, wasSeen: (s) => s === 'shop' }),
    );
    expect(owners(unseen.routes)).toEqual({ '/': 'shop' });
    const seen = resolveRoutes(noOwnership, facts(claims, { configured: builtIn }));
    expect(owners(seen.routes)).toEqual({ '/': 'webapp-service' });
    expect(seen.rejected).toHaveLength(1);
  });

  it('lets a claim that took a built-in route keep it when that route’s own service appears later', () => {
    const builtIn = [configured('/', 'webapp-service', 'default')];
    const first = resolveRoutes(
      noOwnership,
      facts([claim('shop', '/')], { configured: builtIn, wasSeen: (s) => s === 'shop' }),
    );
    const both = [claim('shop', '/'), claim('webapp-service', '/', { since: 9 })];
    expect(owners(resolveRoutes(first, facts(both, { configured: builtIn })).routes)).toEqual({
      '/': 'shop',
    });
  });

  it('takes strip from the tag of the built-in route’s own service and keeps all its instances', () => {
    const result = resolveRoutes(
      noOwnership,
      facts([claim('api-service', '/api', { strip: '/api' })], {
        configured: [configured('/api', 'api-service', 'default')],
      }),
    );
    expect(result.routes).toMatchObject([{ service: 'api-service', strip: '/api', tag: undefined }]);
    expect(result.rejected).toEqual([]);
  });

  it('follows the variant that more instances serve when a service changes its options', () => {
    const variants = (before: number, after: number) =>
      resolveRoutes(
        noOwnership,
        facts([
          claim('a', '/x', { serving: before }),
          claim('a', '/x', { serving: after, strip: '/x', since: 9 }),
        ]),
      ).routes;
    expect(variants(2, 1)).toMatchObject([{ strip: undefined }]);
    expect(variants(1, 2)).toMatchObject([{ strip: '/x' }]);
    expect(variants(1, 1)).toMatchObject([{ strip: undefined }]);
  });
});
