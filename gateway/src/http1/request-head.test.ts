import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { requestFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { fieldText } from './message-text.ts';
import { sourceOf } from './head-source.ts';
import { parseRequestHead, type ParsedRequest } from './request-head.ts';
import { fieldLines, token } from './testing/arbitraries.ts';

const client = { address: '192.0.2.1', port: 1, scheme: 'http', localPort: 80 } as const;
const limits = { headBytes: 1000, headLines: 20 };

function accepted(text: string): ParsedRequest {
  const head = parseRequestHead(sourceOf(text), limits, client);
  if (typeof head === 'string') throw new Error(`${head}: ${JSON.stringify(text)}`);
  return head;
}

describe('parseRequestHead', () => {
  it('gives back what was written, byte for byte, and ends at the empty line', () => {
    fc.assert(
      fc.property(token, fieldLines, fc.constantFrom('1.0', '1.1'), (method, lines, version) => {
        const text = `${method} /a?b HTTP/${version}\r\n${fieldText(lines)}\r\n`;
        const head = accepted(`${text}rest`);
        expect([head.method, head.target, head.version, head.end]).toEqual([
          method,
          '/a?b',
          version,
          text.length,
        ]);
        expect(head.fields).toEqual(lines);
      }),
    );
  });

  it('waits for the rest of every valid head, however little of it there is', () => {
    fc.assert(
      fc.property(token, fieldLines, (method, lines) => {
        const text = `${method} * HTTP/1.1\r\n${fieldText(lines)}\r\n`;
        for (let end = 0; end < text.length; end += 1)
          expect(parseRequestHead(sourceOf(text.slice(0, end)), limits, client)).toBe('incomplete');
      }),
    );
  });

  it('settles framing as the rule shared by all engines does', () => {
    const framingLine = fc.tuple(
      fc.constantFrom(
        'Content-Length',
        'content-length',
        'Transfer-Encoding',
        'TRANSFER-ENCODING',
        'Content-lengt',
      ),
      fc.oneof(
        fc.constantFrom(
          '0',
          '5',
          '007',
          '-1',
          '+1',
          '',
          '1 2',
          '5, 5',
          '0x5',
          '9007199254740991',
          '9007199254740992',
        ),
        fc.constantFrom(
          'chunked',
          'Chunked',
          'gzip, chunked',
          ',chunked',
          'chunked, chunked',
          'gzip',
          'chunked, gzip',
        ),
        fc.constantFrom(
          '"chunked"',
          'chunked;a',
          'x y, chunked',
          '0'.repeat(50),
          `${'0'.repeat(30)}9`,
          '1'.repeat(30),
        ),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(framingLine, { maxLength: 3 }),
        fc.constantFrom('1.0', '1.1'),
        (lines, version) => {
          const fields = lines.flat();
          const head = parseRequestHead(
            sourceOf(`POST / HTTP/${version}\r\n${fieldText(fields)}\r\n`),
            limits,
            client,
          );
          expect(typeof head === 'string' ? head : head.body).toEqual(
            requestFraming(readHeaders(fields), version),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['GET / HTTP/1.1\r\nA: b\r\n\r\n', 'keep', undefined],
    ['GET / HTTP/1.1\r\nConnection: foo, CLOSE\r\n\r\n', 'close', undefined],
    ['GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n', 'close', undefined],
    ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 'close', undefined],
    ['GET / HTTP/1.1\r\nConnection: x, Upgrade\r\nUpgrade: WebSocket\r\n\r\n', 'keep', 'websocket'],
    ['GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n', 'keep', undefined],
    ['GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', 'close', undefined],
  ])('%j: the connection may %s, upgrade %s', (text, persistence, upgrade) => {
    expect(accepted(text)).toMatchObject({ persistence, upgrade });
  });

  it.each([
    ['\r\n\r\nGET / HTTP/1.1\r\n\r\n', 'bad_request'],
    [' GET / HTTP/1.1\r\n\r\n', 'bad_request'],
    ['GET\t/ HTTP/1.1\r\n\r\n', 'bad_request'],
    ['GET /a b HTTP/1.1\r\n\r\n', 'bad_request'],
    ['GET / http/1.1\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1 \r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\n\r\n', 'bad_request'],
    ['GET / HTTP/01.1\r\n\r\n', 'bad_request'],
    ['GET / HTTP/0.9\r\n\r\n', 'bad_request'],
    ['GET / HTTP/3.0\r\n\r\n', 'unsupported_version'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'unsupported_version'],
    ['GET /\x7f HTTP/1.1\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\n: b\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\nA\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\nA\xe9: b\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\n A: b\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\nA: b\rc\r\n\r\n', 'bad_request'],
    ['GET / HTTP/1.1\r\nA: b\r\n\rX', 'bad_request'],
    ['GET / HTTP/1.1\r\nA: b\x01\r\n\r\n', 'bad_request'],
    ['\x16\x03\x01\x02\x00\x01', 'bad_request'],
    ['A'.repeat(1000), 'bad_request'],
    [`GET /${'a'.repeat(1000)}`, 'target_too_long'],
    [`GET / HTTP/1.1\r\nA: ${'b'.repeat(1000)}`, 'fields_too_large'],
    [`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(21)}\r\n`, 'fields_too_large'],
  ])('%.50j is %s', (text, code) => {
    expect(parseRequestHead(sourceOf(text), limits, client)).toBe(code);
  });

  it('takes a single empty line before the request', () => {
    expect(accepted('\r\nGET /x HTTP/1.1\r\n\r\n')).toMatchObject({ method: 'GET', target: '/x', end: 21 });
  });
});
