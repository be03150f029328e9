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
});
