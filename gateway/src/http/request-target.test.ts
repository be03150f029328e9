import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { normalizePath, parseRequestTarget, stripPrefix } from './request-target.ts';

const pathOf = (target: string): string | undefined => {
  const parsed = parseRequestTarget(target);
  return parsed?.kind === 'path' ? parsed.path : undefined;
};

describe('parseRequestTarget', () => {
  it.each([
    ['/', '/'],
    ['/api', '/api'],
    ['/api/', '/api/'],
    ['/a/b;v=1/c,d', '/a/b;v=1/c,d'],
    ['/a//b', '/a//b'],
    ['//evil.example/x', '/evil.example/x'],
    ['///', '/'],
    ['/a/../b', '/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.%2E/b', '/b'],
    ['/a/./b', '/a/b'],
    ['/a/.', '/a/'],
    ['/a/b/..', '/a/'],
    ['/x/..//api', '/api'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a/...', '/a/...'],
    ['/%41pi', '/Api'],
    ['/%7euser', '/~user'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a%2fb', '/a%2Fb'],
    ['/a%20b', '/a%20b'],
    ['/a%252e', '/a%252e'],
    ['/a"b<c>', '/a%22b%3Cc%3E'],
    ['/a|b^{c}`', '/a%7Cb%5E%7Bc%7D%60'],
    ['/a%7cb', '/a%7Cb'],
    ['/a[1]', '/a[1]'],
    ['/caf\u00e9', '/caf%E9'],
    ['/caf\u00c3\u00a9', '/caf%C3%A9'],
    ['/%c0%a4/%ff', '/%C0%A4/%FF'],
    ['/%c1%a1', '/%C1%A1'],
    ['/a;b=../c', '/a;b=../c'],
  ])('reads %s as the path %s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    '/../etc',
    '/a/../../b',
    '/%2e%2e',
    '/a%00b',
    '/a%zz',
    '/a%2',
    '/a\\b',
    '/a#b',
    '/a b',
    '/a\u007f',
    '/a\t',
    '/public/..%2fadmin',
    '/public%2f..%2fadmin',
    '/public/%2e%2e%2fadmin',
    '/a%5c..%5cb',
    '/x%2f%2e',
    '/%c0%ae%c0%ae/x',
    '/%c0%af',
    '/a%c0%80',
    '/a%c1%9cb',
    '/\u00c0%ae',
    '/%e0%80%af',
    '/%f0%80%80%ae',
    '/%fc%80%80%80%80%AF',
    '/x/..;/admin',
    '/x/.;a=b/admin',
    '/x/%2e%2e%3b/admin',
    '/x%2f..;/admin',
    'api',
    '',
    '?x',
    'ftp://h/x',
    '**',
    'host',
    'http:/x',
    '/a?b#c',
    '/a?b c',
    '/a?b\tc',
    '/a?b\u0000',
    '/a?b\u007f',
  ])('refuses %j', (target) => {
    expect(parseRequestTarget(target)).toBeUndefined();
  });

  it('keeps the query byte for byte', () => {
    expect(parseRequestTarget('/a?x=%2e%2e/../&y=?')).toMatchObject({
      path: '/a',
      query: '?x=%2e%2e/../&y=?',
    });
    expect(parseRequestTarget('/a?')).toMatchObject({ path: '/a', query: '?' });
    const odd = '?q=C:\\temp&"<>|^`{}[]%&caf\u00c3\u00a9\u0085//..';
    expect(parseRequestTarget(`/a${odd}`)).toMatchObject({ path: '/a', query: odd });
  });

  it('takes the authority out of the absolute form and routes an empty path like /', () => {
    expect(parseRequestTarget('HTTP://Example.org:80/./api?x')).toEqual({
      kind: 'path',
      authority: 'Example.org:80',
      path: '/api',
      given: '/./api',
      query: '?x',
    });
    expect(parseRequestTarget('http://example.org')).toMatchObject({ authority: 'example.org', path: '/' });
    expect(parseRequestTarget('http://example.org?x')).toMatchObject({ path: '/', query: '?x' });
  });

  it('knows the asterisk and authority forms', () => {
    expect(parseRequestTarget('*')).toEqual({ kind: 'asterisk' });
    expect(parseRequestTarget('example.org:443')).toEqual({ kind: 'authority' });
  });
});

describe('normalizePath', () => {
  it('is idempotent, keeps one leading slash and leaves no dot segment, for any path', () => {
    const piece = fc.constantFrom(
      'a',
      'api',
      '.',
      '..',
      '/',
      '//',
      '%2e',
      '%2F',
      '%5c',
      '%41',
      '%zz',
      ';',
      '~',
      '%',
      '"',
      '\u00c0',
      '%ae',
      '%e0%80',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = normalizePath(`/${pieces.join('')}`);
        if (path === undefined) return;
        expect(path).toMatch(/^\/(?!\/)/);
        expect(path).not.toMatch(/\/\.{1,2}(\/|$)/);
        expect(normalizePath(path)).toBe(path);
      }),
      { seed: 20261120, numRuns: 2000 },
    );
  });
});

describe('stripPrefix', () => {
  it('leaves a path that starts with exactly one slash', () => {
    expect(stripPrefix('/api/x', '/api')).toBe('/x');
    expect(stripPrefix('/api', '/api')).toBe('/');
    expect(stripPrefix('/api//evil', '/api')).toBeUndefined();
    expect(stripPrefix('/x', '/')).toBe('/x');
  });
});
