import { isIPv6 } from 'node:net';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readHostAddress } from './address.ts';

describe('readHostAddress', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['api', 'api'],
    ['api_1.default.svc.cluster.local', 'api_1.default.svc.cluster.local'],
    ['example.org.', 'example.org.'],
    ['0xtreme.io', '0xtreme.io'],
  ])('takes %s', (text, address) => {
    expect(readHostAddress(text)).toBe(address);
  });

  it.each([
    '',
    '0.0.0.0',
    '::',
    '[::]',
    '0:0:0:0:0:0:0:0',
    '[10.0.0.1]',
    '[::1',
    '[[::1]]',
    '256.0.0.1',
    '10.0.0.01',
    '10.0.0',
    '127.1',
    '2130706433',
    '0x7f000001',
    'example.0x7f',
    '1::2::3',
    ':::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::12345',
    '10.0.0.1:80',
    'http://a',
    'a/b',
    'a b',
    'a@b',
    'a\nb',
    'a\u0000',
    '-a',
    'a-',
    'a..b',
    '.a',
    'é.org',
    'a'.repeat(64),
    `${'a.'.repeat(130)}a`,
  ])('refuses %j', (text) => {
    expect(readHostAddress(text)).toBeUndefined();
  });

  it('agrees with node:net about IPv6', () => {
    const group = fc.constantFrom('', '', '0', '1', 'ffff', '12345', 'g', '10.0.0.1');
    fc.assert(
      fc.property(fc.array(group, { minLength: 2, maxLength: 10 }), (groups) => {
        const text = groups.join(':');
        const unspecified = /^[0:.]+$/u.test(text);
        expect(readHostAddress(text) !== undefined).toBe(isIPv6(text) && !unspecified);
      }),
      { numRuns: 5000 },
    );
  });

  it('answers hostile texts at once', () => {
    const startedMs = performance.now();
    for (const text of [
      'a'.repeat(250) + '!',
      'a-'.repeat(120) + '!',
      '1.'.repeat(120) + '!',
      ':'.repeat(100_000),
    ])
      expect(readHostAddress(text)).toBeUndefined();
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});
