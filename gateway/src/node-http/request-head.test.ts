import { describe, expect, it } from 'vitest';

import type { ListenerLimits } from '../http/limits.ts';
import { readHead } from './request-head.ts';

const client = { address: '127.0.0.1', port: 1, scheme: 'http', localPort: 2 } as const;
const limits: ListenerLimits = {
  requestHeadMs: 1,
  keepAliveMs: 1,
  headBytes: 200,
  headLines: 5,
  bodyBytes: 0,
  connections: 1,
  connectionsPerAddress: 0,
  memoryBytes: 0,
  minBytesPerSecond: 0,
  paceMs: 1_000,
};

const read = (rawHeaders: string[], rest: { url?: string; httpVersion?: string } = {}): unknown =>
  readHead({ httpVersion: '1.1', method: 'GET', url: '/', rawHeaders, ...rest }, client, limits);

describe('readHead', () => {
  it('takes the lines as they are', () => {
    expect(read(['Host', 'a', 'x-a', '1', 'X-A', '2'])).toMatchObject({
      method: 'GET',
      target: '/',
      version: '1.1',
      fields: ['Host', 'a', 'x-a', '1', 'X-A', '2'],
      body: { kind: 'none' },
      upgrade: undefined,
      client,
    });
  });

  it('tells what is too long', () => {
    expect(read([], { url: `/${'a'.repeat(200)}` })).toBe('target_too_long');
    expect(read(['A', 'a'.repeat(200)])).toBe('fields_too_large');
    expect(read(Array.from({ length: 12 }, () => 'a'))).toBe('fields_too_large');
    // "GET / HTTP/1.1\r\n", "A: …\r\n" and "\r\n" are 24 bytes around the value, 3 of them accounted for by the name and separators.
    expect(read(['A', 'a'.repeat(200 - 23)])).toMatchObject({ method: 'GET' });
    expect(read(['A', 'a'.repeat(200 - 22)])).toBe('fields_too_large');
  });

  it('refuses other versions and ambiguous framing', () => {
    for (const httpVersion of ['0.9', '2.0']) expect(read([], { httpVersion })).toBe('unsupported_version');
    expect(read(['Content-Length', '1', 'Content-Length', '1'])).toBe('bad_framing');
    expect(read(['Transfer-Encoding', 'gzip, chunked'])).toBe('unsupported_coding');
  });

  it('sees no upgrade over HTTP/1.0', () => {
    const fields = ['Connection', 'Upgrade', 'Upgrade', 'websocket'];
    expect(read(fields)).toMatchObject({ upgrade: 'websocket' });
    expect(read(fields, { httpVersion: '1.0' })).toMatchObject({ upgrade: undefined });
  });
});
