import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { createFileOutput, createStreamOutput } from './log-output.ts';
import { createLogSink, type LogOutput } from './log-sink.ts';

type Done = (result: 'written' | 'failed') => void;

/** An output whose writes end when the test says so. */
function manual() {
  const writes: { text: string; done: Done }[] = [];
  const output: LogOutput = { write: (text, done) => writes.push({ text, done }) };
  return { writes, output };
}

const dropNote = (lines: number): string => `dropped ${lines}\n`;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a log sink', () => {
  it('puts the lines of one turn into one write, in order', async () => {
    const { writes, output } = manual();
    const sink = createLogSink({ output, dropNote });
    sink.write('a\n');
    sink.write('b\n');
    await nextTurn();
    sink.write('c\n');
    await nextTurn();
    expect(writes.map((w) => w.text)).toEqual(['a\nb\n']);
    writes[0]!.done('written');
    await nextTurn();
    expect(writes.map((w) => w.text)).toEqual(['a\nb\n', 'c\n']);
  });

  it('drops and counts lines beyond its limit, and says so when the reader is back', async () => {
    const { writes, output } = manual();
    const sink = createLogSink({ output, dropNote, maxQueued: 10 });
    sink.write('12345678\n');
    await nextTurn();
    for (let i = 0; i < 1000; i++) sink.write('x\n');
    expect(sink.dropped()).toBe(1000);
    writes[0]!.done('written');
    await nextTurn();
    expect(writes[1]!.text).toBe('dropped 1000\n');
    writes[1]!.done('written');
    sink.write('y\n');
    await nextTurn();
    expect(writes[2]!.text).toBe('y\n');
  });

  it('counts the lines of a failed write as dropped, and goes on', async () => {
    const { writes, output } = manual();
    const sink = createLogSink({ output, dropNote });
    sink.write('a\n');
    sink.write('b\n');
    await nextTurn();
    writes[0]!.done('failed');
    sink.write('c\n');
    await nextTurn();
    expect(sink.dropped()).toBe(2);
    expect(writes[1]!.text).toContain('c\n');
  });

  it('flushes what it has, and gives up at the deadline when the reader is stuck', async () => {
    const { writes, output } = manual();
    const sink = createLogSink({ output, dropNote });
    await sink.flush(10);
    sink.write('a\n');
    const flushed = sink.flush(60_000);
    await nextTurn();
    writes[0]!.done('written');
    await flushed;
    sink.write('b\n');
    await sink.flush(5);
    expect(writes).toHaveLength(2);
  });

  it('survives an output that answers at once', async () => {
    let text = '';
    const sink = createLogSink({
      output: {
        write: (chunk, done) => {
          text += chunk;
          done('written');
        },
      },
      dropNote,
    });
    for (let i = 0; i < 10_000; i++) sink.write('x\n');
    await sink.flush(1000);
    expect(text).toHaveLength(20_000);
  });
});

describe('a stream output', () => {
  it('never blocks on a reader that has stopped, and costs bounded memory', async () => {
    const held: Socket[] = [];
    const server = createServer((socket) => held.push(socket.pause()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const writer = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const sink = createLogSink({ output: createStreamOutput(writer), dropNote, maxQueued: 100_000 });
    const line = `${'x'.repeat(999)}\n`;
    for (let turn = 0; turn < 200; turn++) {
      for (let i = 0; i < 100; i++) sink.write(line);
      await nextTurn();
    }
    expect(sink.dropped()).toBeGreaterThan(0);
    expect(writer.writableLength).toBeLessThanOrEqual(100_000);
    await sink.flush(5);
    writer.destroy();
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('turns a reader that has left into failures, not into an uncaught error', async () => {
    const server = createServer((socket) => socket.resetAndDestroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const writer = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const sink = createLogSink({ output: createStreamOutput(writer), dropNote });
    await new Promise<void>((resolve) => writer.once('close', resolve));
    sink.write('a\n');
    await sink.flush(1000);
    expect(sink.dropped()).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('a file output', () => {
  it('appends whole texts, and reports what it cannot write', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roundhouse-log-'));
    const path = join(folder, 'log');
    const fd = openSync(path, 'a');
    const sink = createLogSink({ output: createFileOutput(fd), dropNote });
    sink.write('ä\n');
    await sink.flush(1000);
    sink.write('b\n');
    await sink.flush(1000);
    expect(readFileSync(path, 'utf8')).toBe('ä\nb\n');
    closeSync(fd);
    const full = openSync('/dev/full', 'w');
    const failing = createLogSink({ output: createFileOutput(full), dropNote });
    failing.write('a\n');
    await failing.flush(1000);
    expect(failing.dropped()).toBe(1);
    closeSync(full);
    rmSync(folder, { recursive: true });
  });
});
