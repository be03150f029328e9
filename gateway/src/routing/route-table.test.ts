import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Route } from './route.ts';
import { createRouteTable } from './route-table.ts';

function route(pattern: string, service: string): Route {
  const slash = pattern.indexOf('/');
  const host = slash === 0 ? undefined : pattern.slice(0, slash);
  return {
    host,
    prefix: pattern.slice(slash),
    service,
    strip: undefined,
    tag: undefined,
    timeouts: {},
    source: 'config',
  };
}

describe('createRouteTable', () => {
  const demo = createRouteTable([route('/api', 'api'), route('/', 'web')]);

  it.each([
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/x/y', 'api'],
    ['/apiary', 'web'],
    ['/ap', 'web'],
    ['/API', 'web'],
    ['/api%2Fx', 'web'],
    ['/', 'web'],
    ['/x/api', 'web'],
  ])('sends %s to %s', (path, service) => {
    expect(demo.match('example.org', path)?.service).toBe(service);
  });

  it('prefers the longest prefix', () => {
    const table = createRouteTable([route('/a', 'one'), route('/a/b/c', 'three'), route('/a/b', 'two')]);
    expect(table.match('h', '/a/b/c/d')?.service).toBe('three');
    expect(table.match('h', '/a/b/cc')?.service).toBe('two');
    expect(table.match('h', '/a//b')?.service).toBe('one');
    expect(table.match('h', '/b')).toBeUndefined();
  });

  it('prefers an exact host to a wildcard, the closest wildcard to a wider one, and any of them to no host', () => {
    const table = createRouteTable([
      route('/', 'any'),
      route('*.example.org/', 'wide'),
      route('*.eu.example.org/', 'close'),
      route('www.example.org/shop', 'exact'),
    ]);
    expect(table.match('www.example.org', '/shop/1')?.service).toBe('exact');
    expect(table.match('www.example.org', '/other')?.service).toBe('wide');
    expect(table.match('a.eu.example.org', '/')?.service).toBe('close');
    expect(table.match('example.org', '/')?.service).toBe('any');
    expect(table.match('evil-example.org', '/')?.service).toBe('any');
    expect(table.match('', '/')?.service).toBe('any');
  });

  it('refuses two routes for one place', () => {
    expect(() => createRouteTable([route('/a', 'x'), route('/a', 'y')])).toThrow('two routes for /a');
  });

  it('is not fooled by names of the object prototype', () => {
    expect(demo.match('__proto__', '/constructor')?.service).toBe('web');
  });

  it('agrees with the plain definition of a longest segment prefix', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'ab', ''), { maxLength: 5 })
      .map((segments) => `/${segments.join('/')}`);
    const prefix = fc
      .array(fc.constantFrom('a', 'b', 'ab'), { maxLength: 4 })
      .map((segments) => `/${segments.join('/')}`);
    fc.assert(
      fc.property(fc.uniqueArray(prefix, { maxLength: 8 }), path, (prefixes, target) => {
        const table = createRouteTable(prefixes.map((p) => route(p, p)));
        const expected = prefixes
          .filter((p) => p === '/' || target === p || target.startsWith(`${p}/`))
          .sort((x, y) => y.length - x.length)[0];
        expect(table.match('h', target)?.prefix).toBe(expected);
      }),
      { seed: 20261120, numRuns: 1000 },
    );
  });

  describe('paths: strict', () => {
    const strict = { paths: 'strict' } as const;
    const odd = [
      '/ADMIN', '/Admin/x', '/admin%2Fx', '/admin%5Cx', '/admin;a=b/x', '/admin;', '/%2561dmin', '/x;/%2E%2E/admin', '/admin%2E', '/admin%20/x',
      '/%C3%81/x', '/admin%3Bx', '/a%2Fb/x', '/a//b', '/A/b', '/admin\xa0',
    ]; // prettier-ignore
    const usual = [
      '/',
      '/x',
      '/X',
      '/files/a%2Fb',
      '/x;v=1',
      '/adminx',
      '/a%2Fc',
      '/%E3%81%82',
      '/%82%a0',
      '/100%25',
      '/a/../b',
    ];
    const make = (web: Partial<Route>, admin: Partial<Route>) =>
      createRouteTable([
        { ...route('/', 'web'), ...web },
        ...['/admin', '/a/b', '/%C3%A1'].map((prefix) => ({ ...route(prefix, 'admin'), ...admin })),
      ]);

    it.each([
      ['the route that takes the path', make(strict, {})],
      ['the route that it could be taken for', make({}, strict)],
    ])('on %s, refuses what a careless reader takes for another one', (_, table) => {
      for (const path of odd) expect([path, table.match('h', path)?.service]).toEqual([path, undefined]);
      for (const path of usual) expect([path, table.match('h', path)?.service]).toEqual([path, 'web']);
      for (const path of ['/admin', '/admin/X', '/admin/x;y%2Fz', '/a/b/c'])
        expect([path, table.match('h', path)?.service]).toEqual([path, 'admin']);
    });

    it('changes nothing where no route has it', () => {
      const table = make({}, {});
      for (const path of [...odd, ...usual]) expect(table.match('h', path)?.service).toBe('web');
    });

    it('keeps to hosts, and lets prefixes that differ in case only be', () => {
      const table = createRouteTable([
        { ...route('/', 'web'), ...strict },
        route('a.example/shop', 'shop'),
        route('/Both', 'one'),
        route('/both', 'two'),
      ]);
      expect(table.match('a.example', '/Shop')).toBeUndefined();
      expect(table.match('b.example', '/Shop')?.service).toBe('web');
      expect(table.match('h', '/Both/x')?.service).toBe('one');
      expect(table.match('h', '/both/x')?.service).toBe('two');
      expect(table.match('h', '/BOTH/x')).toBeUndefined();
    });
  });

  it('gives a claim on a host nothing of a longer prefix that the configuration has for more hosts', () => {
    const claim = (pattern: string): Route => ({ ...route(pattern, 'claim'), source: 'registry' });
    const table = createRouteTable([
      claim('shop.example/'),
      claim('*.example/'),
      claim('shop.example/open/x'),
      route('/pay', 'pay'),
      route('/open', 'open'),
      route('*.example/cart', 'cart'),
      route('/', 'web'),
    ]);
    const match = (host: string, path: string) => table.match(host, path)?.service;
    expect(
      ['/pay/x', '/cart', '/open/y', '/open/x', '/x'].map((path) => match('shop.example', path)),
    ).toEqual(['pay', 'cart', 'open', 'claim', 'claim']);
    expect(['/pay', '/cart', '/x'].map((path) => match('b.example', path))).toEqual(['pay', 'cart', 'claim']);
    expect(['/pay', '/cart'].map((path) => match('other', path))).toEqual(['pay', 'web']);
  });
});
