import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isInvalidRouteTag, parseRouteTag, RouteTagError, routeTag } from './route-tags.ts';

function claimOf(tag: string): unknown {
  const reading = parseRouteTag(tag);
  if (reading === undefined || isInvalidRouteTag(reading))
    throw new Error(`no claim: ${JSON.stringify(reading)}`);
  const { host, prefix, strip } = reading;
  expect(reading.tag).toBe(tag);
  return { host, prefix, strip };
}

function reasonOf(tag: string): string {
  const reading = parseRouteTag(tag);
  if (reading === undefined || !isInvalidRouteTag(reading)) throw new Error('expected an invalid tag');
  return reading.reason;
}

describe('parseRouteTag', () => {
  it.each([
    ['urlprefix-/api', { prefix: '/api' }],
    ['urlprefix-/', { prefix: '/' }],
    ['urlprefix-/api/', { prefix: '/api' }],
    ['  urlprefix-/api  ', { prefix: '/api' }],
    ['urlprefix-Example.ORG/api/v1', { host: 'example.org', prefix: '/api/v1' }],
    ['urlprefix-*.example.org/', { host: '*.example.org', prefix: '/' }],
    ['urlprefix-/api strip=/api', { prefix: '/api', strip: '/api' }],
    ['urlprefix-/api/v1   strip=/api   proto=http', { prefix: '/api/v1', strip: '/api' }],
    ['urlprefix-/api strip=/', { prefix: '/api' }],
    ['urlprefix-/api proto=http', { prefix: '/api' }],
    ['urlprefix-/%7euser/caf%c3%a9', { prefix: '/~user/caf%C3%A9' }],
    ['urlprefix-/a:b@c;d=e', { prefix: '/a:b@c;d=e' }],
  ])('reads %s', (tag, expected) => {
    expect(claimOf(tag)).toEqual({ host: undefined, strip: undefined, ...expected });
  });

  it.each(['api-service', '', 'urlprefix', 'URLPREFIX-/api', 'x urlprefix-/api', 'traefik.enable=true'])(
    'leaves the tag "%s" alone',
    (tag) => {
      expect(parseRouteTag(tag)).toBeUndefined();
    },
  );

  it.each([
    'urlprefix-',
    'urlprefix-api',
    'urlprefix-example.org',
    'urlprefix-:1883',
    'urlprefix-:1883 proto=tcp',
    'urlprefix-example.org:8080/api',
    'urlprefix-exa mple/api',
    'urlprefix-*/api',
    'urlprefix-a.*.org/api',
    'urlprefix-*.*.org/api',
    'urlprefix--a/api',
    'urlprefix-/a//b',
    'urlprefix-//a',
    'urlprefix-/a/../b',
    'urlprefix-/a/.',
    'urlprefix-/a/%2e%2e/b',
    'urlprefix-/a/.%2E',
    'urlprefix-/a%2fb',
    'urlprefix-/a%5Cb',
    'urlprefix-/a%',
    'urlprefix-/a%zz',
    'urlprefix-/a%00',
    'urlprefix-/a%c0%af',
    'urlprefix-/a?b',
    'urlprefix-/a#b',
    'urlprefix-/a*',
    'urlprefix-/$DC',
    'urlprefix-/a\\b',
    'urlprefix-/café',
    'urlprefix-/a\tb',
    'urlprefix-/a\u0000',
    'urlprefix-/a strip=/b',
    'urlprefix-/apiary strip=/api',
    'urlprefix-/a strip=a',
    'urlprefix-/a strip=',
    'urlprefix-/a strip=/a strip=/a',
    'urlprefix-/a proto=https',
    'urlprefix-/a proto=tcp',
    'urlprefix-/a proto=',
    'urlprefix-/a prepend=/b',
    'urlprefix-/a host=dst',
    'urlprefix-/a redirect=301,https://x/',
    'urlprefix-/a weight=0.5',
    'urlprefix-/a allow=ip:10.0.0.0/8',
    'urlprefix-/a auth=basic',
    'urlprefix-/a tlsskipverify=true',
    'urlprefix-/a toString',
    'urlprefix-/a __proto__=x',
  ])('refuses %j with a reason', (tag) => {
    expect(reasonOf(tag).length).toBeGreaterThan(10);
  });

  it('refuses a tag that is longer than 1,024 characters', () => {
    expect(reasonOf(`urlprefix-/${'a'.repeat(1024)}`)).toContain('1024');
  });

  it('never throws, and never claims what is not in normal form', () => {
    const tag = fc
      .array(
        fc.constantFrom(
          'urlprefix-',
          '/',
          'api',
          '.',
          '..',
          '%2e',
          '%2F',
          ' ',
          'strip=',
          '*',
          ':',
          '\n',
          'é',
          '?',
          '=',
        ),
      )
      .map((parts) => `urlprefix-${parts.join('')}`);
    fc.assert(
      fc.property(fc.oneof(tag, fc.string({ unit: 'binary' })), (text) => {
        const reading = parseRouteTag(text);
        if (reading === undefined || isInvalidRouteTag(reading)) return;
        expect(reading.prefix).toMatch(/^\/(?:[^/?#\s]+(?:\/[^/?#\s]+)*)?$/u);
        expect(reading.prefix).not.toMatch(/\/\.{1,2}(?:\/|$)/u);
      }),
    );
  });
});

describe('routeTag', () => {
  it.each([
    ['/api', 'urlprefix-/api'],
    ['/', 'urlprefix-/'],
    ['/api/', 'urlprefix-/api'],
    ['Example.org/api', 'urlprefix-example.org/api'],
    [{ prefix: '/api', strip: '/api' }, 'urlprefix-/api strip=/api'],
    [{ prefix: '/api', host: 'Example.org', strip: undefined }, 'urlprefix-example.org/api'],
    [{ prefix: '/api', strip: '/' }, 'urlprefix-/api'],
  ])('writes %j', (route, tag) => {
    expect(routeTag(route)).toBe(tag);
  });

  it('writes what parseRouteTag reads back unchanged', () => {
    const segment = fc
      .stringMatching(/^[A-Za-z0-9._~!&'()+,;=:@-]{1,8}$/u)
      .filter((text) => !/^\.{1,2}$/u.test(text));
    const host = fc.option(fc.constantFrom('a.b', '*.a.b', 'x'), { nil: undefined });
    fc.assert(
      fc.property(host, fc.array(segment, { maxLength: 4 }), fc.nat(4), (name, segments, taken) => {
        const prefix = `/${segments.join('/')}`;
        const kept = segments.slice(0, taken);
        const strip = kept.length === 0 ? undefined : `/${kept.join('/')}`;
        expect(claimOf(routeTag({ prefix, host: name, strip }))).toEqual({ host: name, prefix, strip });
      }),
    );
  });

  it.each([
    'api',
    '',
    'example.org',
    '/a b',
    '/a strip=/a',
    '/a?b',
    '/a/../b',
    { prefix: 'api' },
    { prefix: '/a', strip: '/b' },
    { prefix: '/a', strip: '' },
    { prefix: '/a', host: '' },
    { prefix: '/a', host: 'a:80' },
    { prefix: '/a', host: 'a/b' },
    { prefix: '/a', strip: '/a proto=tcp' },
  ])('refuses %j', (route) => {
    expect(() => routeTag(route)).toThrow(RouteTagError);
  });
});
