import type { LogFormat } from './log.ts';
import { createStdoutOutput } from './log-output.ts';
import { createLogSink, type LogSink } from './log-sink.ts';

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
