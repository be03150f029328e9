import { pino } from 'pino';
import { prettyFactory } from 'pino-pretty';

import type { LogSink } from './log-sink.ts';
import { escapeJsonLine, printable, printableFields } from './printable.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** `json`: one object per line. `plain` and `colour`: for a terminal. */
export type LogFormat = 'json' | 'plain' | 'colour';

/** Facts beside a message. Never a token, a header or a query string. */
export type LogFields = Readonly<Record<string, unknown>>;

type Write = (message: string, fields?: LogFields) => void;

/** The log of the program. Never blocks, never throws. */
export interface Log {
  readonly trace: Write;
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  /** Put an error under `err` to have its stack. */
  readonly error: Write;
}

/** What a log needs. The sink outlives it and is flushed by its owner. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly sink: LogSink;
}

/** Readable text on a terminal (coloured unless `NO_COLOR` is set, see no-color.org), JSON for everything else. */
export function logFormat(
  stdout: 'terminal' | 'other',
  env: Readonly<Record<string, string | undefined>>,
): LogFormat {
  if (stdout === 'other') return 'json';
  return (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb' ? 'plain' : 'colour';
}

/**
 * Pino behind a small interface. JSON lines have `level`, `time` (ISO 8601), the fields and `msg`; text from outside can neither end
 * a line nor reach the terminal as a control sequence, in any format.
 */
export function createLog({ level, format, sink }: LogOptions): Log {
  const readable = format === 'json' ? undefined : prettyLines(format);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // For a terminal, printableFields has turned errors into plain data before.
      ...(readable === undefined ? {} : { serializers: { err: (value: unknown) => value } }),
    },
    {
      write: (line: string) => {
        sink.write(readable === undefined ? escapeJsonLine(line) : readable(line));
      },
    },
  );
  const at = (name: Exclude<LogLevel, 'silent'>): Write => {
    if (!logger.isLevelEnabled(name)) return () => undefined;
    if (readable === undefined) {
      return (message, fields = {}) => {
        logger[name](fields, message);
      };
    }
    return (message, fields = {}) => {
      logger[name](printableFields(fields), printable(message));
    };
  };
  return { trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** pino-pretty as a plain function: no stream and no worker that could hold lines back at the end. */
function prettyLines(format: 'plain' | 'colour'): (line: string) => string {
  return prettyFactory({ colorize: format === 'colour', translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
}
