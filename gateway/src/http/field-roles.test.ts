import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allowedTrailers, fieldRole, nominatedBy } from './field-roles.ts';

describe('fieldRole', () => {
  it.each([
    ['Content-Length', 'content-length'],
    ['CONTENT-LENGTH', 'content-length'],
    ['tRANSFER-eNCODING', 'transfer-encoding'],
    ['Connection', 'connection'],
    ['keep-alivE', 'keep-alive'],
    ['tE', 'te'],
    ['Trailer', 'hop-by-hop'],
    ['Authorization', 'singleton'],
    ['X-Forwarded-For', 'forwarded-for'],
    ['X_Forwarded_For', 'hop-by-hop'],
    ['Content_Length', 'hop-by-hop'],
    ['Content-Lengti', 'end-to-end'],
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
    ['X-A, , cookie', ['x-a', 'cookie']],
    ['host, authorization, x-forwarded-for, via, x-request-id, te, content-length', []],
  ])('R02 %j takes out %j', (connection, names) => {
    expect(nominatedBy(connection)).toEqual(names);
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
