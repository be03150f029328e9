import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { lists } from './field-lines.ts';
import { allowedTrailers, fieldRole, hasTooManyOptions, nominatedBy } from './field-roles.ts';

describe('fieldRole', () => {
  it.each([
    ['Content-Length', 'content-length'],
    ['CONTENT-LENGTH', 'content-length'],
    ['tRANSFER-eNCODING', 'transfer-encoding'],
    ['Connection', 'connection'],
    ['keep-alivE', 'keep-alive'],
    ['tE', 'te'],
    ['Trailer', 'hop-by-hop'],
    ['Authorization', 'authorization'],
    ['X-Forwarded-For', 'forwarded-for'],
    ['X_Forwarded_For', 'hop-by-hop'],
    ['Content_Length', 'hop-by-hop'],
    ['Content-Lengti', 'end-to-end'],
    ['X-Forwarded-Anything', 'forwarded-other'],
    ['Forwarded-For', 'forwarded-other'],
    ['x-forwarded', 'forwarded-other'],
    ['X_Forwarded_Anything', 'hop-by-hop'],
    ['x-Original_url', 'hop-by-hop'],
    ['Client-Cert-Chain', 'forwarded-other'],
    ['SSL_Client_Cert', 'hop-by-hop'],
    ['Proxy', 'hop-by-hop'],
    ['X-Originals', 'end-to-end'],
    ['my_field', 'end-to-end'],
    ['E', 'end-to-end'],
    ['', 'end-to-end'],
  ])('reads %s as %s', (name, role) => {
    expect(fieldRole(name)).toBe(role);
  });

  it('does not depend on the case of a name', () => {
    const name = fc.oneof(
      fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/),
      fc.constantFrom('host', 'via', 'x-real-ip'),
    );
    fc.assert(
      fc.property(name, (text) => {
        expect(fieldRole(text.toUpperCase())).toBe(fieldRole(text.toLowerCase()));
      }),
    );
  });
});

describe('nominatedBy', () => {
  it.each([
    [undefined, []],
    ['keep-alive', []],
    ['Keep-Alive, close', []],
    ['X-A, , x-b\t,X-a', ['x-a', 'x-b']],
    ['host, authorization, x-forwarded-for, via, x-request-id, te, content-length, x-real-ip', []],
    ['cookie, origin, sec-fetch-site, x-csrf-token, content-type, x-api-key, if-match', []],
  ])('R02 %j takes %j out of a request', (connection, names) => {
    expect([...nominatedBy(connection, 'request')]).toEqual(names);
  });

  it('R02 takes out of a response whatever the gateway doesn’t write', () => {
    expect([...nominatedBy('set-cookie, x-secret, via, date', 'response')]).toEqual([
      'set-cookie',
      'x-secret',
      'date',
    ]);
  });

  it('R46 counts options, not letters', () => {
    expect(hasTooManyOptions(undefined)).toBe(false);
    expect(hasTooManyOptions('x'.repeat(10_000))).toBe(false);
    expect(hasTooManyOptions(`${','.repeat(63)}${'x'.repeat(99)}`)).toBe(false);
    expect(hasTooManyOptions(','.repeat(128))).toBe(true);
  });
});

describe('lists', () => {
  it.each([
    ['close', true],
    ['a, Close', true],
    ['a,close ;q=1, b', true],
    ['closed, xclose, clo,se', false],
    ['close close', false],
    ['a=close', false],
    ['disclose, \tclose\t', true],
    ['', false],
    [undefined, false],
  ])('finds close in %j: %s', (value, found) => {
    expect(lists(value, 'close')).toBe(found);
  });
});

describe('allowedTrailers', () => {
  it('R39 leaves out framing, routing, authentication, cookies, and what the gateway writes', () => {
    const forbidden = [
      'Content-Length',
      'Host',
      'Authorization',
      'Set-Cookie',
      'Cache-Control',
      'If-Match',
      'Via',
    ];
    const managed = ['X-Forwarded-New', 'X-Request-Id', 'a_b', 'TE', 'X-Real-IP'];
    const lines = [...forbidden, ...managed].flatMap((name) => [name, '1']);
    expect(allowedTrailers([...lines, 'Server-Timing', 'a', 'grpc-status', '0'])).toEqual([
      'Server-Timing',
      'a',
      'grpc-status',
      '0',
    ]);
  });
});
