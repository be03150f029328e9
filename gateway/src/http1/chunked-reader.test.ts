import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { BodyForm } from '../proxy/ports.ts';
import { ChunkedReader, type ChunkSender } from './chunked-reader.ts';
import { chunks } from './testing/arbitraries.ts';

/** Everything that the reader lets through when it gets `text` in pieces that end at `cuts`. */
function passed(
  bytes: Buffer,
  cuts: readonly number[],
  output: BodyForm,
  sender: ChunkSender = 'client',
): { text: string; reader: ChunkedReader; end: number } {
  const reader = new ChunkedReader(output, sender);
  let text = '';
  let end = 0;
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    if (reader.state !== 'more') break;
    // As from the shared read buffer: nothing may be remembered of it.
    const piece = Buffer.from(bytes.subarray(from, to));
    const taken = reader.read(piece, 0, piece.length);
    reader.prefixes.forEach((prefix, i) => {
      text += prefix + piece.toString('latin1', reader.spans[2 * i], reader.spans[2 * i + 1]);
    });
    piece.fill(0);
    end = from + taken;
    from = to;
  }
  return { text, reader, end };
}

/** The simplest possible reading of canonical chunks; throws on anything else. */
function content(text: string): string {
  let out = '';
  for (let at = 0; at < text.length;) {
    const line = /^([1-9a-fA-F][0-9a-fA-F]*)\r\n/.exec(text.slice(at));
    if (line === null) throw new Error(`not canonical at ${String(at)}: ${JSON.stringify(text)}`);
    const from = at + line[0].length;
    const to = from + Number.parseInt(line[1] ?? '', 16);
    if (text.slice(to, to + 2) !== '\r\n') throw new Error('no CRLF behind a chunk');
    out += text.slice(from, to);
    at = to + 2;
  }
  return out;
}

const message = chunks.map((list) => {
  const body = Buffer.concat(list.map((chunk) => chunk.content)).toString('latin1');
  const lines = list.map(({ content: c, zeros, extension, upper }) => {
    const size = c.length.toString(16);
    const text = Buffer.from(c).toString('latin1');
    return `${zeros}${upper === 'upper' ? size.toUpperCase() : size}${extension}\r\n${text}\r\n`;
  });
  return { body, wire: Buffer.from(lines.join(''), 'latin1') };
});

describe('ChunkedReader', () => {
  it('passes on exactly the content, in canonical chunks, wherever the reads are split', () => {
    fc.assert(
      fc.property(message, fc.array(fc.nat(), { maxLength: 5 }), (m, marks) => {
        const all = Buffer.concat([m.wire, Buffer.from('0\r\nT: u\r\n\r\nNEXT')]);
        const cuts = marks.map((mark) => mark % (all.length + 1)).sort((a, b) => a - b);
        const framed = passed(all, cuts, 'framed');
        expect(content(framed.text)).toBe(m.body);
        expect(framed.reader.state).toBe('done');
        expect(framed.reader.contentBytes).toBe(m.body.length);
        expect(framed.reader.trailers).toEqual(['T', 'u']);
        expect(framed.end).toBe(all.length - 4);
        expect(passed(all, cuts, 'content').text).toBe(m.body);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same for every single split as for the whole', () => {
    const wire = Buffer.from('5\r\nhello\r\n00C;a=b\r\n, wide world\r\n1\r\n!\r\n0;x\r\n\r\n');
    for (let a = 0; a <= wire.length; a += 1) {
      for (let b = a; b <= wire.length; b += 1)
        expect(content(passed(wire, [a, b], 'framed').text)).toBe('hello, wide world!');
    }
  });

  it('lets canonical chunks through in one piece', () => {
    const reader = new ChunkedReader('framed', 'client');
    const wire = Buffer.from('5\r\nhello\r\nA\r\n0123456789\r\n3\r\nab');
    reader.read(wire, 0, wire.length);
    expect(reader.spans).toEqual([0, wire.length]);
    expect(reader.prefixes).toEqual(['']);
  });

  it.each([
    '0x5\r\nhello\r\n', '5 \r\nhello\r\n', ' 5\r\nhello\r\n', '+5\r\nhello\r\n', '-5\r\nhello\r\n', '5_0\r\n', '\r\n', ';a\r\n', 'g\r\n',
    '5\nhello\r\n', '5\r\rhello\r\n', '5\r\nhello\n', '5\r\nhelloX\r\n', '5\r\nhello\rX', '5;a\nb\r\n', '5;a\0\r\n', '5;\rX\n',
    '5 \r\nhello\r\n', '5\t\r\n', '5 5\r\n', '5 a;b\r\n', '0 \r\n\r\n', '5\x0b;a\r\n', `5${' '.repeat(257)};a\r\n`, `${'0'.repeat(200)}5${' '.repeat(57)};a\r\n`,
    'fffffffffffffff\r\n', '10000000000000\r\n', `${'0'.repeat(258)}5\r\n`, `5;${'a'.repeat(300)}\r\n`, '0\r\nA : b\r\n\r\n', '0\r\n folded\r\n\r\n', '0\r\nA: b\n\r\n\r\n',
    `0\r\nA: ${'b'.repeat(9000)}\r\n\r\n`, '0\r\n\n', '0\r\nA: b\n', '5;a="b\r\nhello\r\n', '5;a="b\\"\r\nhello\r\n', '5;a="b\\\r\n',
  ])('refuses %.40j, whole or byte by byte', (text) => {
    const wire = Buffer.from(text, 'latin1');
    expect(passed(wire, [], 'framed').reader.state).toBe('faulty');
    const everyByte = Array.from({ length: wire.length }, (_, i) => i);
    expect(passed(wire, everyByte, 'framed').reader.state).toBe('faulty');
  }); // prettier-ignore

  it.each([
    '0000000000005',
    `${'0'.repeat(250)}5`,
    '5 ;a=b',
    '5 \t ; a = "b"',
    '5;a="\\"b;\\\\";c',
    '5; a=b',
    '5;',
  ])('understands the size %.20j, which is written anew, from client and instance', (size) => {
    const wire = Buffer.from(`${size}\r\nhello\r\n${size.replace('5', '0')}\r\n\r\n`);
    for (const sender of ['client', 'instance'] as const) {
      for (let cut = 0; cut <= wire.length; cut += 1) {
        const { text, reader } = passed(wire, [cut], 'framed', sender);
        expect([text, reader.state]).toEqual(['5\r\nhello\r\n', 'done']);
      }
    }
  });

  it('takes white space behind a size from an instance, within bounds', () => {
    const padded = Buffer.from('5   \r\nhello\r\n0\t\r\n\r\n');
    expect(passed(padded, [], 'framed', 'instance')).toMatchObject({
      text: '5\r\nhello\r\n',
      end: padded.length,
    });
    const endless = Buffer.from(`5${' '.repeat(300)}\r\nhello\r\n`);
    expect(passed(endless, [], 'framed', 'instance').reader.state).toBe('faulty');
    // However many chunks there are: padding counts per line.
    const many = passed(Buffer.from('00000005  \r\nhello\r\n'.repeat(9_000)), [], 'content', 'instance');
    expect([many.reader.state, many.reader.contentBytes]).toEqual(['more', 45_000]);
  });

  it('bounds the extensions of a whole body, too', () => {
    const wire = Buffer.from(`1;${'a'.repeat(200)}\r\nx\r\n`.repeat(100));
    expect(passed(wire, [], 'framed').reader.state).toBe('faulty');
  });
});
