import { describe, expect, it } from 'vitest';

import type { OwnershipFacts, ServiceClaim } from './claims.ts';
import {
  nextReleaseMs,
  noOwnership,
  rememberedRoutes,
  resolveRoutes,
  type RouteOwnership,
} from './ownership.ts';
import type { Route } from './route.ts';

function claim(
  service: string,
  prefix: string,
  more: { since?: number; serving?: number; strip?: string; host?: string } = {},
): ServiceClaim {
  const { strip, host } = more;
  const tag = `urlprefix-${host ?? ''}${prefix}${strip === undefined ? '' : ` strip=${strip}`}`;
  return {
    service,
    claim: { host, prefix, strip, tag },
    serving: more.serving ?? 1,
    since: more.since ?? 1,
  };
}

function configured(
  prefix: string,
  service: string,
  source: 'config' | 'default',
  more: Partial<Route> = {},
): Route {
  return {
    host: undefined,
    prefix,
    service,
    strip: undefined,
    tag: undefined,
    timeouts: {},
    source,
    ...more,
  };
}

const facts = (claims: ServiceClaim[], more: Partial<OwnershipFacts> = {}): OwnershipFacts => ({
  configured: [],
  claims,
  isListed: (service) => claims.some((one) => one.service === service),
  isLive: (service, tag) =>
    claims.some(
      (one) => one.service === service && one.serving > 0 && (tag === undefined || one.claim.tag === tag),
    ),
  hasAnswered: () => false,
  nowMs: 0,
  releaseAfterMs: 1_000,
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

describe('a built-in route', () => {
  const builtIn = [configured('/', 'webapp-service', 'default')];
  const shop = (serving = 1) => claim('shop', '/', { serving });
  const having = (claims: ServiceClaim[], listed: string[], more: Partial<OwnershipFacts> = {}) =>
    facts(claims, { configured: builtIn, isListed: (service) => listed.includes(service), ...more });
  const there = having([], ['webapp-service']);
  const away = (nowMs: number, claims: ServiceClaim[] = []) => having(claims, [], { nowMs });
  const ownerOf = ({ routes }: RouteOwnership) => routes.find(({ prefix }) => prefix === '/')?.service;

  it('exists from the first instance of its service on, and before that for a service that claims it', () => {
    expect(resolveRoutes(noOwnership, having([], [])).routes).toEqual([]);
    expect(resolveRoutes(noOwnership, there).routes).toEqual(builtIn);
    expect(ownerOf(resolveRoutes(noOwnership, having([shop()], ['shop'])))).toBe('shop');
    const both = resolveRoutes(noOwnership, having([shop()], ['shop', 'webapp-service']));
    expect(ownerOf(both)).toBe('webapp-service');
    expect(both.rejected).toMatchObject([{ service: 'shop' }]);
  });

  it('stays with a claim that was there first, while that one lives or may come back', () => {
    const first = resolveRoutes(noOwnership, having([shop()], ['shop']));
    const both = having([shop()], ['shop', 'webapp-service']);
    const kept = resolveRoutes(first, both);
    expect(kept.routes).toMatchObject([{ service: 'shop', rivals: ['webapp-service'] }]);
    expect(kept.rejected).toMatchObject([
      { service: 'webapp-service', prefix: '/', reason: 'it belongs to shop, which claimed it first' },
    ]);
    expect([...kept.contested]).toEqual(['shop', 'webapp-service']);
    const dead = having([shop(0)], ['shop', 'webapp-service']);
    expect(ownerOf(resolveRoutes(kept, dead))).toBe('webapp-service');
    const hasAnswered = (_name: string, service: string) => service === 'shop';
    const served = resolveRoutes(kept, { ...both, hasAnswered });
    expect(ownerOf(resolveRoutes(served, dead))).toBe('shop');
    expect(ownerOf(resolveRoutes(served, { ...there, nowMs: 999 }))).toBe('shop');
    expect(ownerOf(resolveRoutes(resolveRoutes(served, dead), { ...there, nowMs: 1_000 }))).toBe(
      'webapp-service',
    );
  });

  it('is remembered after the last instance, and keeps claims away, until it is forgotten', () => {
    const gone = resolveRoutes(resolveRoutes(noOwnership, there), away(500));
    expect(gone.routes).toEqual(builtIn);
    expect(rememberedRoutes(gone, { nowMs: 700, releaseAfterMs: 1_000 })).toEqual(
      new Map([['/', { idleForMs: 200, forgottenInMs: 800 }]]),
    );
    expect(nextReleaseMs(gone, away(700))).toBe(1_500);
    const kept = resolveRoutes(gone, away(1_499, [shop()]));
    expect(ownerOf(kept)).toBe('webapp-service');
    expect(kept.rejected[0]?.reason).toContain('may come back');
    expect(resolveRoutes(gone, away(1_500)).routes).toEqual([]);
    expect(ownerOf(resolveRoutes(gone, away(1_500, [shop()])))).toBe('shop');
    const back = resolveRoutes(gone, { ...there, nowMs: 1_499 });
    expect(rememberedRoutes(back, { nowMs: 1_499, releaseAfterMs: 1_000 }).size).toBe(0);
    expect(resolveRoutes(back, away(1_600)).routes).toEqual(builtIn);
  });

  it('is forgotten by command when its service has no instance, and passes to a claim', () => {
    const released = { name: '/', service: 'webapp-service' };
    expect(resolveRoutes(noOwnership, { ...away(0), released }).routes).toEqual([]);
    const claimed = having([shop()], ['shop', 'webapp-service'], { released });
    expect(ownerOf(resolveRoutes(noOwnership, claimed))).toBe('shop');
    expect(ownerOf(resolveRoutes(noOwnership, { ...there, released }))).toBe('webapp-service');
  });

  it('goes with the configuration that has it', () => {
    const gone = resolveRoutes(resolveRoutes(noOwnership, there), away(1));
    expect(resolveRoutes(gone, { ...away(2), configured: [] }).routes).toEqual([]);
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
    const gone = resolveRoutes(
      result,
      facts([], { configured: [configured('/api', 'api-service', 'default')] }),
    );
    expect(gone.routes).toMatchObject([{ service: 'api-service', strip: '/api' }]);
  });
});

describe('an owner', () => {
  const blue = (serving: number) => claim('blue', '/pay', { serving });
  const green = (serving = 1) => claim('green', '/pay', { serving, since: 9 });
  const answered = { hasAnswered: (_name: string, service: string) => service === 'blue' };
  const start = (): RouteOwnership => resolveRoutes(noOwnership, facts([blue(1), green()]));
  const served = (): RouteOwnership => resolveRoutes(start(), facts([blue(1), green()], answered));
  const ownerOf = ({ routes }: RouteOwnership) => routes.find(({ prefix }) => prefix === '/pay')?.service;

  it('that never answered gives way to a claim that lives, at once', () => {
    expect(ownerOf(start())).toBe('blue');
    expect(ownerOf(resolveRoutes(start(), facts([blue(0), green()])))).toBe('green');
    expect(ownerOf(resolveRoutes(noOwnership, facts([blue(0), green()])))).toBe('green');
    const isLive = (service: string) => service === 'green';
    expect(ownerOf(resolveRoutes(start(), facts([blue(1), green()], { isLive })))).toBe('green');
    expect(ownerOf(resolveRoutes(start(), facts([green()])))).toBe('green');
  });

  it('that has served keeps its route until it has had no live instance for long', () => {
    const dead = resolveRoutes(served(), facts([blue(0), green()], { nowMs: 500 }));
    expect(ownerOf(dead)).toBe('blue');
    expect(dead.routes).toMatchObject([{ service: 'blue', rivals: ['green'] }]);
    expect(dead.rejected).toMatchObject([
      { service: 'green', reason: expect.stringContaining('may come back') as string },
    ]);
    const still = facts([blue(0), green()], { nowMs: 1_499 });
    expect(nextReleaseMs(dead, still)).toBe(1_500);
    expect(ownerOf(resolveRoutes(dead, still))).toBe('blue');
    const gone = resolveRoutes(dead, facts([green()], { nowMs: 1_499 }));
    expect(ownerOf(gone)).toBe('blue');
    const back = resolveRoutes(dead, facts([blue(1), green()], { nowMs: 1_499 }));
    expect(ownerOf(resolveRoutes(back, facts([blue(0), green()], { nowMs: 1_600 })))).toBe('blue');
    for (const before of [dead, gone])
      expect(ownerOf(resolveRoutes(before, facts([green()], { nowMs: 1_500 })))).toBe('green');
    const passed = resolveRoutes(dead, facts([blue(0), green()], { nowMs: 1_500 }));
    expect(ownerOf(passed)).toBe('green');
    expect(ownerOf(resolveRoutes(passed, facts([blue(1), green()], { nowMs: 1_600 })))).toBe('green');
  });

  it('that nobody could follow keeps it', () => {
    const dead = resolveRoutes(served(), facts([blue(0), green(0)], { nowMs: 500 }));
    const late = facts([blue(0), green(0)], { nowMs: 9_999 });
    expect(ownerOf(resolveRoutes(dead, late))).toBe('blue');
    expect(nextReleaseMs(dead, late)).toBe(Infinity);
  });

  it('that lives and no longer claims its route has given it up', () => {
    const moved = facts([claim('blue', '/other'), green()]);
    expect(ownerOf(resolveRoutes(served(), moved))).toBe('green');
  });

  it('loses it by command to another claim, and has it again when there is none', () => {
    const released = { name: '/pay', service: 'blue' };
    const without = { ...served(), remembered: new Map() };
    expect(ownerOf(resolveRoutes(without, facts([blue(1), green()], { released })))).toBe('green');
    expect(ownerOf(resolveRoutes(without, facts([blue(1)], { released })))).toBe('blue');
    expect(ownerOf(resolveRoutes(without, facts([], { released })))).toBeUndefined();
  });

  it('is forgotten when nobody claims its route for long', () => {
    const gone = resolveRoutes(served(), facts([], { nowMs: 100 }));
    expect(gone.routes).toMatchObject([{ service: 'blue' }]);
    expect(gone.routes[0]?.rivals).toBeUndefined();
    expect(resolveRoutes(gone, facts([], { nowMs: 1_099 })).routes).toHaveLength(1);
    expect(resolveRoutes(gone, facts([], { nowMs: 1_100 })).routes).toEqual([]);
  });

  it('is the one that serves of those that the configuration lists', () => {
    const owners = ['blue', 'green'];
    const route = configured('/pay', 'blue', 'config', { owners });
    const having = (...live: string[]) =>
      facts([blue(1)], { configured: [route], isLive: (service) => live.includes(service) });
    const first = resolveRoutes(noOwnership, having('blue', 'green'));
    expect(ownerOf(first)).toBe('blue');
    expect(first.rejected).toEqual([]);
    const second = resolveRoutes(first, having('green'));
    expect(ownerOf(second)).toBe('green');
    expect(ownerOf(resolveRoutes(second, having('blue', 'green')))).toBe('green');
    expect(ownerOf(resolveRoutes(second, having()))).toBe('green');
    expect([...second.contested]).toEqual(owners);
  });
});

describe('a configured prefix', () => {
  const given = (claims: ServiceClaim[], ...routes: Route[]) => {
    const result = resolveRoutes(noOwnership, facts(claims, { configured: routes }));
    const taken = result.routes.filter(({ source }) => source === 'registry');
    return taken.map(({ host, prefix, service }) => `${host ?? ''}${prefix} ${service}`).sort();
  };
  const pay = configured('/pay', 'pay', 'config');
  const root = configured('/', 'web', 'config');
  const evil = (prefix: string, host?: string) => claim('evil', prefix, host === undefined ? {} : { host });
  const everywhere = [
    evil('/pay'),
    evil('/pay/login'),
    evil('/pay', 'shop.example'),
    evil('/pay/login', 'shop.example'),
    evil('/pay', '*.example'),
  ];

  it('owns its subtree on every host', () => {
    expect(given(everywhere, pay)).toEqual([]);
    expect(given([evil('/payments'), evil('/'), evil('/', 'shop.example')], pay)).toEqual([
      '/ evil',
      '/payments evil',
      'shop.example/ evil',
    ]);
    expect(given([...everywhere, evil('/x'), evil('/x', 'shop.example')], root)).toEqual([]);
    const { rejected } = resolveRoutes(noOwnership, facts(everywhere, { configured: [pay] }));
    expect(rejected).toHaveLength(everywhere.length);
    expect(rejected[1]?.reason).toBe('the configuration gives /pay to pay, with all that lies below it');
  });

  it('of a host owns its subtree on that host, and a wildcard on all that it covers', () => {
    const one = configured('/pay', 'pay', 'config', { host: 'shop.example' });
    expect(given(everywhere, one)).toEqual(['*.example/pay evil', '/pay evil', '/pay/login evil']);
    const all = configured('/pay', 'pay', 'config', { host: '*.example' });
    expect(given([...everywhere, evil('/pay', '*.b.example'), evil('/pay', 'other')], all)).toEqual([
      '/pay evil',
      '/pay/login evil',
      'other/pay evil',
    ]);
  });

  it('opens what lies below it, never itself, where it says so', () => {
    const open = configured('/pay', 'pay', 'config', { claims: 'below' });
    expect(given(everywhere, open)).toEqual(['/pay/login evil', 'shop.example/pay/login evil']);
    const openRoot = configured('/', 'web', 'config', { claims: 'below' });
    expect(given([...everywhere, evil('/'), evil('/x'), evil('/', 'shop.example')], openRoot, pay)).toEqual([
      '/x evil',
      'shop.example/ evil',
    ]);
    const closed = configured('/pay/admin', 'pay', 'config');
    expect(given([evil('/pay/admin/x'), evil('/pay/x')], open, closed)).toEqual(['/pay/x evil']);
  });

  it('leaves its own service alone', () => {
    const result = resolveRoutes(noOwnership, facts([claim('pay', '/pay/x')], { configured: [pay] }));
    expect([result.routes.length, result.rejected]).toEqual([1, []]);
  });

  it('alone gives away where certificates come from', () => {
    const acme = '/.well-known/acme-challenge';
    const openRoot = configured('/', 'web', 'config', { claims: 'below' });
    const claims = [evil(acme), evil(`${acme}/x`), evil('/.well-known'), evil(acme, 'shop.example')];
    expect(given(claims)).toEqual([]);
    expect(given(claims, openRoot)).toEqual([]);
    expect(given([evil('/.well-known/openid-configuration')], openRoot)).toHaveLength(1);
    const certbot = configured(acme, 'certbot', 'config', { claims: 'below' });
    expect(given(claims, certbot)).toEqual([`${acme}/x evil`]);
  });

  it('takes a route back that a claim had before', () => {
    const before = resolveRoutes(noOwnership, facts([evil('/pay/login')]));
    const after = resolveRoutes(before, facts([evil('/pay/login')], { configured: [pay] }));
    expect(after.routes).toEqual([pay]);
  });
});
