import { describe, expect, it } from 'vitest';

import { exposureOf, mayNotChange, mayNotRead, refusedBy, type Guard } from './guards.ts';

const guard = (exposure: Guard['exposure'], more: Partial<Guard> = {}): Guard => ({
  exposure,
  hosts: [],
  token: 'off',
  ...more,
});

describe('on loopback', () => {
  it.each(['localhost', 'LOCALHOST:8081', '127.0.0.1', '127.0.0.1:1', '127.9.9.9', '[::1]', '[::1]:8081'])(
    'Host %s passes',
    (host) => {
      expect(refusedBy(guard('loopback'), { host })).toBeUndefined();
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
    expect(refusedBy(guard('loopback'), { host })).toBeTypeOf('string');
  });

  it('a page from elsewhere is refused, one from here passes', () => {
    const host = 'localhost:8081';
    expect(refusedBy(guard('loopback'), { host, origin: 'http://localhost:3000' })).toBeUndefined();
    for (const origin of ['null', 'https://evil.example', 'http://localhost.evil.example', 'file://', ''])
      expect(refusedBy(guard('loopback'), { host, origin })).toBeTypeOf('string');
  });
});

describe('on the network', () => {
  it.each(['10.0.0.7:8081', '[fd00::7]:8081', 'localhost', 'gateway.internal', 'gateway.internal:80'])(
    'Host %s passes',
    (host) => {
      expect(refusedBy(guard('network', { hosts: ['gateway.internal'] }), { host })).toBeUndefined();
    },
  );

  it('a name that the operator has not given is refused, as it may have been rebound', () => {
    for (const host of [
      'evil.example',
      'gateway',
      'x.gateway.internal',
      '10.0.0.7.evil.example',
      '',
      undefined,
    ])
      expect(refusedBy(guard('network', { hosts: ['gateway.internal'] }), { host })).toBeTypeOf('string');
  });

  it('knows which addresses others reach', () => {
    expect(exposureOf('0.0.0.0')).toBe('network');
    expect(exposureOf('::1')).toBe('loopback');
  });
});

describe('mayNotChange', () => {
  it('lets this machine change things while no token is set, and nobody else', () => {
    expect(mayNotChange(guard('loopback'), {})).toBeUndefined();
    expect(mayNotChange(guard('network'), { authorization: 'Bearer guess' })?.status).toBe(403);
  });

  it.each([
    ['the token', 'Bearer s3cret-token', undefined],
    ['the scheme in another case', 'bearer s3cret-token', undefined],
    ['nothing', undefined, 401],
    ['another token', 'Bearer s3cret-tokem', 401],
    ['a beginning of it', 'Bearer s3cret', 401],
    ['another scheme', 'Basic s3cret-token', 401],
    ['an empty token', 'Bearer ', 401],
  ])('with a token set, given %s', (_what, authorization, status) => {
    for (const exposure of ['loopback', 'network'] as const) {
      const secured = guard(exposure, { token: 's3cret-token' });
      expect(mayNotChange(secured, { authorization })?.status).toBe(status);
      expect(mayNotRead(secured, { authorization })?.status).toBe(status);
    }
  });
});
