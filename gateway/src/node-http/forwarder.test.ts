import { PassThrough } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { createForwarder, type ForwardOptions } from './forwarder.ts';

const options = (headers: string[], path = '/'): ForwardOptions => ({
  stream: new PassThrough(),
  host: '127.0.0.1',
  port: 1,
  method: 'DELETE',
  path,
  maxHeaderSize: 1_000,
  headers,
});

describe('createForwarder', () => {
  it('hands over a request with exactly the method, target and lines it was given', () => {
    const headers = [
      'Host',
      'h',
      'X-A',
      '1',
      'x-a',
      '2',
      'Transfer-Encoding',
      'chunked',
      'Connection',
      'keep-alive',
    ];
    const request = createForwarder()(options(headers, '//a//b/../c?x=//y#z'));
    expect(Reflect.get(request, '_header')).toBe(
      'DELETE //a//b/../c?x=//y#z HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n',
    );
    expect([request.writableEnded, request.host]).toEqual([false, '127.0.0.1']);
    request.on('error', () => undefined);
    request.destroy();
  });

  it('throws what node:http refuses to write', () => {
    expect(() => createForwarder()(options(['X-A', 'a\r\nb']))).toThrow();
    expect(() => createForwarder()(options([], '/a b'))).toThrow();
  });

  it('leaves warnings of deprecation as they were', () => {
    const before = process.noDeprecation ?? false;
    createForwarder();
    expect(process.noDeprecation).toBe(before);
  });
});
