import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { normalizePath } from '../../http/request-target.ts';
import { createRouteTable } from '../../routing/route-table.ts';
import { attempt, codeOf, head, route, setUp } from '../testing/drive.ts';

const prefixes = ['/', '/api', '/api/v2', '/admin', '/strip', '/~u'];
const routes = prefixes.map((prefix) => route({ prefix, strip: prefix === '/strip' ? prefix : undefined }));
const { open } = setUp({ routes });
const sent = (target: string): string => attempt(open(head({ target })).first).target;

const withoutDots = (path: string): string => {
  const kept: string[] = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
};
const decoded = (path: string): string =>
  path.replace(/%(?!2f)[0-7][0-9a-f]/gi, (triplet) =>
    String.fromCharCode(Number.parseInt(triplet.slice(1), 16)),
  );

/** What frameworks and servers make of a path before they look for a handler. */
const readers: Readonly<Record<string, (path: string) => string>> = {
  literally: (path) => path,
  'dots removed, escapes left': withoutDots,
  'escapes decoded, dots left': decoded,
  'dots removed, then decoded': (path) => decoded(withoutDots(path)),
  'decoded, then dots removed': (path) => withoutDots(decoded(path)),
  'slashes at the start merged': (path) => withoutDots(path.replace(/^\/+/, '/')),
  'as a URL': (path) => new URL(path, 'http://h').pathname,
  'as a URL, decoded': (path) => decoded(new URL(path, 'http://h').pathname),
};

describe('P2 the target', () => {
  it.each([
    '/_matrix/federation/v1/event/%24abc%7Exyz',
    '/media/h/a%2eb',
    '/inbox/caf%c3%a9',
    '/inbox/caf\xc3\xa9',
    '/a/./b',
    '/a/b/../c',
    '//double/start',
    '/a"b<c>',
    '/api/%41',
    '/api/./x',
    '/x?q=C:\\temp&"<>|^\xc3\xa9',
    '/%E3%81%82/%82%a0',
  ])('goes on exactly as it came: %s', (target) => {
    expect(sent(target)).toBe(target);
  });

  it.each([
    ['/a/../api/x', '/api/x'],
    ['/admin/../x', '/x'],
    ['/%61pi/x', '/api/x'],
    ['/%7eu/x', '/~u/x'],
    ['/api/./v2', '/api/v2'],
    ['/x/%2e%2e/admin', '/admin'],
    // Read with dots removed and escapes left, it would be /admin/%2e%2e/x.
    ['/z/../admin/%2e%2e/x', '/x'],
    // Read as a URL, it would be /admin.
    ['//x/admin', '/x/admin'],
    ['//api/x', '/api/x'],
    // Another site, in a redirect that repeats it; and no URL at all.
    ['//evil.example/x', '/evil.example/x'],
    ['//', '/'],
    ['///x', '/x'],
    ['//0x/y', '/0x/y'],
    ['/.well-known/roundhouse/../y', '/.well-known/y'],
  ])('goes on in normal form where a reader could take it for another route: %s as %s', (target, path) => {
    expect(sent(target)).toBe(path);
  });

  it.each([
    ['/strip/a%7eb/./c', '/a%7eb/./c'],
    ['/strip/../strip/x', '/x'],
    ['/strip/%2e', '/%2e'],
  ])('without its prefix goes on as it came, where that is safe: %s as %s', (target, path) => {
    expect(sent(target)).toBe(path);
  });

  it('is refused where no form of it is safe', () => {
    for (const target of ['/strip//evil', '/strip/.//evil', '/x/..;/admin', '/a\\..\\admin'])
      expect(codeOf(open(head({ target })).first)).toBe('bad_target');
  });

  it('is under the same route for every reader, whatever was sent', () => {
    const table = createRouteTable(routes);
    const piece = fc.constantFrom(
      ...['/', '/', '/', '//', '.', '..', '%2e', '%2E', '%61pi', 'api', 'v2', 'admin', '%61dmin', 'x', '~u'],
      ...['%7eu', '%2f', '%5c', '"', '\xc3', ';', '%', '%3b', '%c0%ae', '.well-known/roundhouse', 'strip'],
    );
    const targets = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`);
    fc.assert(
      fc.property(targets, (target) => {
        const { first } = open(head({ target }));
        const chosen = normalizePath(target);
        if (first.kind !== 'attempt' || chosen === undefined) return;
        const owner = table.match('', chosen);
        // What is left of a path under /strip has a namespace of its own.
        if (owner?.strip !== undefined) return;
        for (const [reader, read] of Object.entries(readers)) {
          const taken = table.match('', read(first.target));
          expect([target, reader, taken?.prefix]).toEqual([target, reader, owner?.prefix]);
        }
      }),
      { seed: 20261127, numRuns: 5_000 },
    );
  });
});
