import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { cookieValue, withoutCookie } from './cookies.ts';

describe('cookieValue', () => {
  it.each<[readonly string[], string | undefined]>([
    [['Cookie', 'a=1; s=x; b=2'], 'x'],
    [['X', 's=no', 'cookie', 'a=1', 'COOKIE', ' s = x '], 'x'],
    [['Cookie', 's=x=y; s=z'], 'x=y'],
    [['Cookie', 's=;a=1'], ''],
    [['Cookie', 'S=x; ss=y; as=z; s'], undefined],
    [[], undefined],
  ])('of %j', (fields, value) => {
    expect(cookieValue(fields, 's')).toBe(value);
  });
});

describe('withoutCookie', () => {
  it.each<[string, string | undefined]>([
    ['s=x', undefined],
    ['s=x; s=y', undefined],
    ['a=1; s=x; b=2', 'a=1; b=2'],
    ['s=x; a="s=1"', 'a="s=1"'],
    ['a=1;s=x', 'a=1'],
    ['a=1;  b=2 ;c', 'a=1;  b=2 ;c'],
    ['ss=1; S=2', 'ss=1; S=2'],
    ['', ''],
  ])('%j becomes %j', (line, rest) => {
    expect(withoutCookie(line, 's')).toBe(rest);
  });

  it('leaves the others byte for byte, in their order', () => {
    const pair = fc.stringMatching(/^[ab]=[ -:<-~]*$/);
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1 }), fc.nat(), (pairs, at) => {
        const index = at % (pairs.length + 1);
        const line = [...pairs.slice(0, index), 'own=x', ...pairs.slice(index)].join('; ');
        expect(withoutCookie(line, 'own')).toBe(pairs.join('; '));
      }),
    );
  });
});
