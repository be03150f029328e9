import { fstatSync, write } from 'node:fs';
import type { Writable } from 'node:stream';

import type { LogFormat } from './log.ts';
import { createLogSink, type LogOutput, type LogSink } from './log-sink.ts';

/** Text to a stream: pipes, sockets, terminals. A stream that breaks makes every further write fail; nothing is thrown. */
export function createStreamOutput(stream: Writable): LogOutput {
  // Without a listener EPIPE would end the process: a reader that leaves must not take the gateway with it.
  stream.on('error', () => undefined);
  return {
    write: (text, done) => {
      try {
        stream.write(text, (error) => {
          done(error ? 'failed' : 'written');
        });
      } catch {
        done('failed');
      }
    },
  };
}

/** Text to a regular file by descriptor. A full disk fails that write only; the next one tries again. */
export function createFileOutput(fd: number): LogOutput {
  return {
    write: (text, done) => {
      const bytes = Buffer.from(text);
      const from = (offset: number): void => {
        write(fd, bytes, offset, bytes.length - offset, null, (error, written) => {
          if (error !== null) done('failed');
          else if (offset + written < bytes.length) from(offset + written);
          else done('written');
        });
      };
      from(0);
    },
  };
}

/**
 * Standard output without ever blocking. A pipe goes through the stream, not through `fs.write`: with a stuck reader the latter
 * holds a thread of the pool, and the process can't even exit. A file goes through `fs.write`: the stream would write it
 * synchronously, and would be dead for good after one full disk.
 */
export function createStdoutOutput(): LogOutput {
  return fstatSync(1).isFile() ? createFileOutput(1) : createStreamOutput(process.stdout);
}

/** The line that reports dropped lines. */
export function dropNote(format: LogFormat, lines: number, time: Date): string {
  const message = `${lines} log ${lines === 1 ? 'line was' : 'lines were'} dropped, because they were not read in time`;
  if (format !== 'json') return `! ${message}\n`;
  return `${JSON.stringify({ level: 'warn', time: time.toISOString(), dropped: lines, msg: message })}\n`;
}

/**
 * The sink that the program log and the access log share: standard output, bounded, never blocking. One per process; its owner
 * awaits `flush` before the process exits, or the last lines are lost.
 */
export function createStdoutSink(format: LogFormat): LogSink {
  return createLogSink({
    output: createStdoutOutput(),
    dropNote: (lines) => dropNote(format, lines, new Date()),
  });
}
