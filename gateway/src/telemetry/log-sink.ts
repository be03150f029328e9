/** Where log text goes in the end. One write at a time. */
export interface LogOutput {
  /** Must not block. Calls `done` exactly once, when the text has been taken or has failed for good. */
  write(text: string, done: (result: 'written' | 'failed') => void): void;
}

/** A bounded queue in front of an output: a caller never waits, and a stuck reader costs lines, not memory. */
export interface LogSink {
  /** Takes one line with its newline, or drops and counts it when the queue is full. */
  write(line: string): void;
  /** Lines dropped so far, because the reader was stuck or a write failed. */
  dropped(): number;
  /** Resolves when everything taken so far is out, or after `deadlineMs` at the latest. */
  flush(deadlineMs: number): Promise<void>;
}

/** What a sink needs. */
export interface LogSinkOptions {
  readonly output: LogOutput;
  /** Queue limit in UTF-16 units; default 4 Mi. */
  readonly maxQueued?: number;
  /** The line that reports dropped lines once writing works again. */
  readonly dropNote: (lines: number) => string;
}

/**
 * Lines of one turn of the event loop leave in one write, and while a write is under way the next ones gather.
 * Holds no timer but the one of a `flush` in progress.
 */
export function createLogSink({ output, maxQueued = 4 * 1024 * 1024, dropNote }: LogSinkOptions): LogSink {
  let queue: string[] = [];
  let queued = 0;
  let state: 'idle' | 'scheduled' | 'writing' = 'idle';
  let dropped = 0;
  let reported = 0;
  let waiting: (() => void)[] = [];

  const send = (): void => {
    if (queue.length === 0) {
      state = 'idle';
      const ready = waiting;
      waiting = [];
      for (const resolve of ready) resolve();
      return;
    }
    state = 'writing';
    const lines = queue.length;
    const size = queued;
    const text = queue.join('');
    queue = [];
    let answered = false;
    output.write(text, (result) => {
      if (answered) return;
      answered = true;
      // What is being written counts against the limit until it is out.
      queued -= size;
      if (result === 'failed') {
        dropped += lines;
      } else if (dropped > reported) {
        push(dropNote(dropped - reported));
        reported = dropped;
      }
      // A fresh turn, so that an output that answers at once can't recurse without end.
      if (queue.length > 0) schedule();
      else send();
    });
  };
  const schedule = (): void => {
    state = 'scheduled';
    setImmediate(send);
  };
  const push = (line: string): void => {
    queue.push(line);
    queued += line.length;
  };

  return {
    write: (line) => {
      if (queued + line.length > maxQueued) {
        dropped += 1;
        return;
      }
      push(line);
      if (state === 'idle') schedule();
    },
    dropped: () => dropped,
    flush: (deadlineMs) =>
      new Promise((resolve) => {
        if (state === 'idle') {
          resolve();
          return;
        }
        const timer = setTimeout(done, deadlineMs);
        function done(): void {
          clearTimeout(timer);
          resolve();
        }
        waiting.push(done);
      }),
  };
}
