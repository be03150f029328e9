import { describe, expect, it } from 'vitest';

import type { AttemptStep, BodyFraming, RequestHead } from '../exchange/seam.ts';
import { attemptLines, headText, isWritable, relayLines, stepLines } from './field-lines.ts';

const client = { address: '127.0.0.1', port: 1, scheme: 'http', localPort: 2 } as const;

function lines(
  method: string,
  body: BodyFraming,
  options: { fields?: string[]; upgrade?: string; version?: '1.0' | '1.1' } = {},
): string[] {
  const { fields = [], upgrade, version = '1.1' } = options;
  const head: RequestHead = { method, target: '/', version, fields, body, upgrade, client };
  const step: Pick<AttemptStep, 'fields' | 'method' | 'upgrade'> = { method, fields, upgrade };
  return attemptLines(step, head);
}

describe('attemptLines', () => {
  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'PROPFIND'])(
    'writes exactly one framing for %s, last',
    (method) => {
      expect(lines(method, { kind: 'length', bytes: 7 }).slice(-2)).toEqual(['Content-Length', '7']);
      expect(lines(method, { kind: 'chunked' }).slice(-2)).toEqual(['Transfer-Encoding', 'chunked']);
      const fields = ['Content-Length', '1', 'content-LENGTH', '2', 'Transfer-Encoding', 'gzip'];
      const written = lines(method, { kind: 'length', bytes: 7 }, { fields });
      expect(written).toEqual(['Connection', 'keep-alive', 'Content-Length', '7']);
    },
  );

  it('writes no framing for a bodiless GET, and length 0 for a bodiless POST', () => {
    expect(lines('GET', { kind: 'none' })).toEqual(['Connection', 'keep-alive']);
    expect(lines('POST', { kind: 'none' })).toEqual(['Connection', 'keep-alive', 'Content-Length', '0']);
  });

  it('drops Trailer and what a step says about the connection', () => {
    const fields = ['Trailer', 'x', 'Connection', 'close', 'Keep-Alive', 'a', 'Upgrade', 'h2c', 'X-A', 'b'];
    expect(lines('GET', { kind: 'none' }, { fields })).toEqual(['X-A', 'b', 'Connection', 'keep-alive']);
  });

  it('asks for the one protocol of the step', () => {
    expect(lines('GET', { kind: 'none' }, { upgrade: 'websocket' })).toEqual([
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
    ]);
  });

  it('passes Expect on for HTTP/1.1 only', () => {
    const fields = ['Expect', '100-continue'];
    expect(lines('POST', { kind: 'chunked' }, { fields })).toContain('Expect');
    expect(lines('POST', { kind: 'chunked' }, { fields, version: '1.0' })).not.toContain('Expect');
  });
});

describe('relayLines', () => {
  it('chunks an unknown length for HTTP/1.1 only', () => {
    for (const kind of ['chunked', 'until_close'] as const) {
      expect(relayLines([], { kind }, '1.1')).toEqual(['Transfer-Encoding', 'chunked']);
      expect(relayLines([], { kind }, '1.0')).toEqual([]);
    }
  });

  it('states the length of a body that is not sent where one was stated', () => {
    expect(relayLines([], { kind: 'none', statedBytes: 5 }, '1.1')).toEqual(['Content-Length', '5']);
    expect(relayLines([], { kind: 'none', statedBytes: undefined }, '1.1')).toEqual([]);
  });
});

describe('stepLines', () => {
  it('keeps order, spelling and repeated names, and ignores a name without a value', () => {
    expect(stepLines(['b', '1', 'A', '2', 'B', '3', 'c'], undefined)).toEqual(['b', '1', 'A', '2', 'B', '3']);
  });
});

describe('headText', () => {
  it('is a head', () => {
    expect(headText('HTTP/1.1 103 Early', ['A', 'b', 'A', 'c'])).toBe(
      'HTTP/1.1 103 Early\r\nA: b\r\nA: c\r\n\r\n',
    );
  });
});

describe('isWritable', () => {
  it('takes tabs and bytes from 0x80, and no control characters', () => {
    expect(['', 'a\tb', 'caf\xe9', '\xff'].filter(isWritable)).toHaveLength(4);
    expect(['a\r', 'a\n', '\0', '\x7f', '\x1b[0m', '\u0100'].filter(isWritable)).toEqual([]);
  });
});
