import { PassThrough, Writable } from 'node:stream';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createRequestBody, type RequestBody } from './request-body.ts';

/** Keeps what it gets. */
function collecting(): { readonly sink: Writable; text(): string } {
  const pieces: Buffer[] = [];
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece);
      done();
    },
  });
  return { sink, text: () => Buffer.concat(pieces).toString() };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ignore = { progress: () => undefined, end: () => undefined };

function bodyOf(replayBytes: number): {
  readonly source: PassThrough;
  readonly body: RequestBody;
  takenBytes(): number;
} {
  const source = new PassThrough();
  let takenBytes = 0;
  const body = createRequestBody({ source, replayBytes, taken: (bytes) => (takenBytes += bytes) });
  return { source, body, takenBytes: () => takenBytes };
}

describe('createRequestBody', () => {
  it('takes nothing before it is sent somewhere', async () => {
    const { source, body, takenBytes } = bodyOf(100);
    expect([body.supply(), body.arrival(), body.replay()]).toEqual(['none', 'part', 'possible']);
    source.write('hello');
    await turn();
    expect([body.supply(), takenBytes()]).toEqual(['some', 0]);
  });

  it('is sent from its beginning to each sink, whatever the pieces and wherever the first sink breaks off', async () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }), {
      maxLength: 600,
    });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(600), async (all, breakAt) => {
        const { source, body, takenBytes } = bodyOf(20 * 600);
        const first = body.send(
          new Writable({
            write: (_piece, _encoding, done) => {
              done();
            },
          }),
          ignore,
        );
        for (const piece of all.slice(0, breakAt)) source.write(piece);
        await turn();
        first.stop();
        const { sink, text } = collecting();
        let ended = 0;
        body.send(sink, { progress: () => undefined, end: () => (ended += 1) });
        for (const piece of all.slice(breakAt)) source.write(piece);
        source.end();
        while (ended === 0) await turn();
        expect(text()).toBe(all.join(''));
        expect([ended, takenBytes(), body.arrival()]).toEqual([1, text().length, 'whole']);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps as much as it may and not a byte more', async () => {
    for (const [bytes, replay] of [
      [10, 'possible'],
      [11, 'impossible'],
    ] as const) {
      const { source, body } = bodyOf(10);
      body.send(collecting().sink, ignore);
      source.write('x'.repeat(bytes));
      await turn();
      expect(body.replay()).toBe(replay);
    }
  });

  it('keeps nothing once it is settled, and goes on', async () => {
    const { source, body } = bodyOf(10);
    const { sink, text } = collecting();
    body.send(sink, ignore);
    source.write('ab');
    await turn();
    body.settle();
    source.write('cd');
    await turn();
    expect([body.replay(), text()]).toEqual(['impossible', 'abcd']);
  });

  it('tells of each byte of the client once, however often it is sent', async () => {
    const { source, body, takenBytes } = bodyOf(10);
    const first = body.send(collecting().sink, ignore);
    source.write('hello');
    await turn();
    first.stop();
    body.send(collecting().sink, ignore);
    await turn();
    expect(takenBytes()).toBe(5);
  });
});
