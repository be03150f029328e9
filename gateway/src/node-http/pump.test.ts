import { Readable, Writable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { startPump } from './pump.ts';

/** Takes one chunk at a time, and holds each until it is told to go on. */
function slowSink(): { sink: Writable; taken: string[]; next(): void } {
  const taken: string[] = [];
  let proceed = (): void => undefined;
  const sink = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk.toString());
      proceed = () => {
        done();
      };
    },
  });
  return {
    sink,
    taken,
    next: () => {
      proceed();
    },
  };
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const source = (...chunks: string[]): Readable =>
  Readable.from(
    chunks.map((text) => Buffer.from(text)),
    { objectMode: false },
  );

describe('startPump', () => {
  it('reads no faster than the sink takes', async () => {
    const { sink, taken, next } = slowSink();
    const seen: number[] = [];
    let ended = 0;
    startPump(source('a', 'bb', 'ccc'), sink, {
      chunk: (bytes) => seen.push(bytes),
      end: () => (ended += 1),
    });
    await tick();
    expect(seen).toEqual([1]);
    next();
    await tick();
    expect(seen).toEqual([1, 2]);
    next();
    await tick();
    next();
    await tick();
    expect([taken, ended]).toEqual([['a', 'bb', 'ccc'], 1]);
    expect(sink.writableEnded).toBe(false);
  });

  it('leaves the streams alone once it is stopped', async () => {
    const { sink, taken, next } = slowSink();
    const from = source('a', 'bb');
    const pump = startPump(from, sink, {
      chunk: () => {
        pump.stop();
      },
      end: () => undefined,
    });
    await tick();
    next();
    await tick();
    expect(taken).toEqual([]);
    expect(from.isPaused()).toBe(true);
    expect(['data', 'end'].map((name) => from.listenerCount(name))).toEqual([0, 0]);
    expect(sink.listenerCount('drain')).toBe(0);
    pump.stop();
  });

  it('ends at once with a source that an earlier pump has emptied', async () => {
    const from = source();
    let ended = 0;
    const listener = { chunk: () => undefined, end: () => (ended += 1) };
    startPump(from, slowSink().sink, listener);
    await tick();
    expect(ended).toBe(1);
    startPump(from, slowSink().sink, listener);
    expect(ended).toBe(2);
  });
});
