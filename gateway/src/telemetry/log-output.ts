import { fstatSync, write } from 'node:fs';
import type { Writable } from 'node:stream';

import type { LogOutput } from './log-sink.ts';

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
