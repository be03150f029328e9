import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { responseFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { responseText } from './message-text.ts';
import { ResponseHeadReader } from './response-head-reader.ts';
import { sourceOf } from './head-source.ts';
import { ambiguousFraming, parseResponseHead } from './response-head.ts';
import { fieldLines, fieldValue } from './testing/arbitraries.ts';

const limits = { headBytes: 4000, headLines: 20 };

describe('parseResponseHead', () => {
  it('gives back what was written, byte for byte', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), fieldValue, fieldLines, (status, reason, fields) => {
        const text = responseText({ status, reason, fields }, { kind: 'length', bytes: 3 }, 'keep');
        const head = parseResponseHead(sourceOf(`${text}abc`), 'GET', limits);
        const written = [...fields, 'Content-Length', '3'];
        expect(head).toMatchObject({ status, reason, fields: written, end: text.length });
      }),
    );
  });

  it('settles framing as the rule shared by all engines does', () => {
    const line = fc.constantFrom(
      ['Content-Length', '5'],
      ['Content-Length', '0x5'],
      ['Transfer-Encoding', 'chunked'],
      ['Transfer-Encoding', 'gzip, chunked'],
      ['A', 'b'],
    );
    const facts = fc.record({
      status: fc.constantFrom(200, 204, 304, 404),
      method: fc.constantFrom('GET', 'HEAD'),
      version: fc.constantFrom('1.0' as const, '1.1' as const),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 3 }), facts, (lines, { status, method, version }) => {
        const text = `HTTP/${version} ${String(status)} OK\r\n${lines.map((l) => `${l.join(': ')}\r\n`).join('')}\r\n`;
        const head = parseResponseHead(sourceOf(text), method, limits);
        const expected = responseFraming(readHeaders(lines.flat()), { status, method, version });
        if (expected === 'upstream_protocol') expect(head).toEqual(ambiguousFraming);
        else expect(head).toMatchObject({ body: expected });
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['HTTP/1.1 099 No\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.1 1000 No\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.1 2x0 No\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.2 200 OK\r\n\r\n', 'Its status line is not valid.'],
    ['ICY 200 OK\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.1 200 O\0K\r\n\r\n', 'Its status line is not valid.'],
    ['HTTP/1.1 200 OK\n\n', 'Its status line is not valid.'],
    ['HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', 'Header line 2 is folded.'],
    ['HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'Header line 1 has white space before its colon.'],
    ['HTTP/1.1 200 OK\r\nA: b\r\nB: c\0\r\n\r\n', 'Header line 2 holds a control character.'],
    ['HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n', 'Header line 1 holds a control character.'],
    ['HTTP/1.1 200 OK\r\nA: b\r\nB: c\r\nD\r\n\r\n', 'Header line 3 has no colon.'],
    ['HTTP/1.1 200 OK\r\nA(: b\r\n\r\n', 'Header line 1 has a name that is no token.'],
    [`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(21)}\r\n`, 'Its head has more than 20 lines.'],
    [`HTTP/1.1 200 ${'x'.repeat(5000)}`, 'Its head is longer than 4000 bytes.'],
    [`HTTP/1.1 200 OK\r\nA: ${'b'.repeat(5000)}\r\n\r\n`, 'Its head is longer than 4000 bytes.'],
  ])('%.40j is refused: %s', (text, fault) => {
    expect(parseResponseHead(sourceOf(text), 'GET', limits)).toEqual({ fault });
  });

  it.each(['HTTP/1.1 2', 'HTTP/1.1 200 OK\r'])('%j may still become one', (text) => {
    expect(parseResponseHead(sourceOf(text), 'GET', limits)).toBe('incomplete');
  });

  it.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'keep', -1],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5, max=9\r\n\r\n', 'keep', 5],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n', 'close', -1],
    ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n', 'close', -1],
    ['HTTP/1.1 200 OK\r\n\r\n', 'close', -1],
  ])('%j: the connection may %s, for %i s', (text, persistence, keepAliveSeconds) => {
    expect(parseResponseHead(sourceOf(text), 'GET', limits)).toMatchObject({ persistence, keepAliveSeconds });
  });
});

describe('ResponseHeadReader', () => {
  it('reads interim and final heads and what follows alike, wherever the reads are split', () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const final = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';
    const all = Buffer.from(`${interim}${final}body`);
    for (let first = 1; first < all.length; first += 1) {
      for (let second = first; second < all.length; second += 7) {
        const reader = new ResponseHeadReader();
        const statuses: number[] = [];
        let rest = '';
        for (const [from, to] of [
          [0, first],
          [first, second],
          [second, all.length],
        ] as const) {
          if (statuses.at(-1) === 200) rest += all.toString('latin1', from, to);
          if (from === to || statuses.at(-1) === 200) continue;
          // As from the shared read buffer: overwritten as soon as the call is over.
          const passing = Buffer.from(all.subarray(from, to));
          reader.add(passing, 0, passing.length);
          for (
            let head = reader.next('GET', limits);
            typeof head !== 'string' && !('fault' in head);
            head = reader.next('GET', limits)
          ) {
            statuses.push(head.status);
            if (head.status === 200) break;
          }
          if (statuses.at(-1) === 200) rest += reader.bytes.toString('latin1', reader.at, reader.end);
          passing.fill(0);
        }
        expect([statuses, rest]).toEqual([[103, 200], 'body']);
      }
    }
  });
});
