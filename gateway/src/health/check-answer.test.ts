import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { maxCheckHeadBytes, readCheckAnswer } from './check-answer.ts';

describe('readCheckAnswer', () => {
  it.each<[string, number | 'incomplete' | 'garbage']>([
    ['', 'incomplete'],
    ['HTT', 'incomplete'],
    ['HTTP/1.1 200 OK\r\nX: y\r\n', 'incomplete'],
    ['HTTP/1.1 200 OK\r\n\r\nbody', 200],
    ['HTTP/1.0 404\r\n\r\n', 404],
    ['HTTP/1.1 200 \r\n\r\n', 200],
    ['HTTP/1.1 100 Continue\r\n\r\n', 'incomplete'],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\n\r\nHTTP/1.1 503 No\r\n\r\n', 503],
    ['HTTP/1.1 100 Continue\r\n\r\nnonsense', 'garbage'],
    ['HTTP/2 200\r\n\r\n', 'garbage'],
    ['HTTP/1.1 99\r\n\r\n', 'garbage'],
    ['HTTP/1.1 2000\r\n\r\n', 'garbage'],
    ['HTTP/1.1 600 X\r\n\r\n', 'garbage'],
    ['http/1.1 200 OK\r\n\r\n', 'garbage'],
    [' HTTP/1.1 200 OK\r\n\r\n', 'garbage'],
    ['x', 'garbage'],
    [`HTTP/1.1 200 OK\r\n${'x'.repeat(maxCheckHeadBytes)}`, 'garbage'],
  ])('reads %j as %s', (text, result) => {
    expect(readCheckAnswer(text)).toBe(result);
  });

  it('waits for the rest of an answer, wherever it is cut', () => {
    const head = 'HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n';
    fc.assert(
      fc.property(fc.integer({ min: 0, max: head.length - 1 }), (cut) => {
        expect(readCheckAnswer(head.slice(0, cut))).toBe('incomplete');
      }),
    );
    expect(readCheckAnswer(head)).toBe(301);
  });
});
