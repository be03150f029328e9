import { describe, expect, it } from 'vitest';

import { createResponseReader } from './response-reader.ts';

const answers = Buffer.from(
  'HTTP/1.1 100 Continue\r\n\r\n' +
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello' +
    'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n' +
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n' +
    'HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx',
);

function read(...chunks: readonly Buffer[]): readonly number[] {
  const statuses: number[] = [];
  const reader = createResponseReader((status) => statuses.push(status));
  for (const chunk of chunks) reader.read(chunk);
  return statuses;
}

describe('createResponseReader', () => {
  it('finds the end of each answer, wherever the reads are cut', () => {
    const expected = [200, 503, 200, 404];
    expect(read(answers)).toEqual(expected);
    expect(read(...Array.from(answers, (byte) => Buffer.from([byte])))).toEqual(expected);
    for (let at = 1; at < answers.length; at += 1)
      expect(read(answers.subarray(0, at), answers.subarray(at))).toEqual(expected);
  });

  it('keeps nothing of a read buffer that is used again', () => {
    const statuses: number[] = [];
    const reader = createResponseReader((status) => statuses.push(status));
    const buffer = Buffer.from('HTTP/1.1 200 OK\r\nConte');
    reader.read(buffer);
    buffer.fill('?');
    reader.read(Buffer.from('nt-Length: 1\r\n\r\nx'));
    expect(statuses).toEqual([200]);
  });

  it.each(['nonsense\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(70_000)])(
    'refuses what has no end (%#)',
    (text) => {
      expect(() => read(Buffer.from(text))).toThrow();
    },
  );
});
