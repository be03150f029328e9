import { describe, expect, it } from 'vitest';

import { exposureOf, refusedBy } from './host-guard.ts';

describe('on loopback', () => {
  it.each(['localhost', 'LOCALHOST:8081', '127.0.0.1', '127.0.0.1:1', '127.9.9.9', '[::1]', '[::1]:8081'])(
    'Host %s passes',
    (host) => {
      expect(refusedBy('loopback', { host })).toBeUndefined();
    },
  );

  it.each([
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:8081',
    '127.0.0.1@evil.example',
    'localhost,evil.example',
    '127.1',
    '2130706433',
    '0.0.0.0',
    '[::ffff:127.0.0.1]',
    'localhost.',
    '::1',
    'localhost:8081:1',
  ])('Host %j is refused', (host) => {
    expect(refusedBy('loopback', { host })).toBeTypeOf('string');
  });

  it('a page from elsewhere is refused, one from here passes', () => {
    const host = 'localhost:8081';
    expect(refusedBy('loopback', { host, origin: 'http://localhost:3000' })).toBeUndefined();
    for (const origin of ['null', 'https://evil.example', 'http://localhost.evil.example', 'file://', ''])
      expect(refusedBy('loopback', { host, origin })).toBeTypeOf('string');
  });
});

describe('on the network', () => {
  it('any name passes, as the operator chose it', () => {
    expect(refusedBy('network', { host: 'gateway.internal' })).toBeUndefined();
    expect(exposureOf('0.0.0.0')).toBe('network');
    expect(exposureOf('::1')).toBe('loopback');
  });
});
