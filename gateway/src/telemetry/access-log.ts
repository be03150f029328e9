import picocolors from 'picocolors';

import type { AttemptRecord, ExchangeObserver, ExchangeRecord } from '../exchange/record.ts';
import type { LogFormat, LogLevel } from './log.ts';
import type { LogSink } from './log-sink.ts';
import { escapeJsonLine, printable } from './printable.ts';

/** What an access log needs. */
export interface AccessLogOptions {
  readonly sink: LogSink;
  readonly format: LogFormat;
  /** Milliseconds since the epoch, asked once per exchange. */
  readonly now: () => number;
}

/** One line per exchange that ended. Never blocks: lines that the sink can't take are dropped and counted there. */
export function createAccessLog({ sink, format, now }: AccessLogOptions): ExchangeObserver {
  const stamp = createStamp();
  if (format === 'json') {
    return (record) => {
      sink.write(accessJson(record, stamp(now())));
    };
  }
  const colours = picocolors.createColors(format === 'colour');
  return (record) => {
    sink.write(accessText(record, new Date(now()), colours));
  };
}

/** Whether access lines, which are of level `info`, are to be written. */
export function writesAccessLog(log: { readonly level: LogLevel; readonly access: 'on' | 'off' }): boolean {
  return log.access === 'on' && (log.level === 'trace' || log.level === 'debug' || log.level === 'info');
}

/** ISO 8601 for a time; exchanges of one millisecond share the work. */
function createStamp(): (ms: number) => string {
  let last = Number.NaN;
  let text = '';
  return (ms) => {
    if (ms !== last) {
      last = ms;
      text = new Date(ms).toISOString();
    }
    return text;
  };
}

const round = (ms: number): number => Math.round(ms * 100) / 100;

/** Printable ASCII but `"` and `\`: needs no escape in JSON. */
const harmless = /^[ !#-[\]-~]*$/;

/** JSON.stringify with a short way for what nearly every value is. */
const quote = (text: string): string =>
  harmless.test(text) ? `"${text}"` : escapeJsonLine(JSON.stringify(text));

const member = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${name}":${quote(value)}`;

/**
 * The JSON line of an exchange, with its newline. Put together by hand because it is written for every request: half a microsecond
 * instead of the 2.7 that pino takes. Absent facts have no member; `end` is there when the client did not get a whole response.
 */
export function accessJson(record: ExchangeRecord, time: string): string {
  const { end, attempts, upstreamMs } = record;
  const tried = listsAttempts(record) ? `,"attempts":[${attempts.map(attemptJson).join(',')}]` : '';
  return (
    `{"level":"info","time":"${time}","msg":"request","request_id":${quote(record.requestId)}` +
    `,"client":${quote(record.clientAddress)},"method":${quote(record.method)},"host":${quote(record.host)}` +
    `,"path":${quote(record.path)}${member('route', record.route)}${member('service', record.service)}` +
    `${member('instance', record.instance)},"status":${record.status}${member('error', record.error)}${member('detail', record.detail)}` +
    `${end.kind === 'complete' ? '' : `,"end":"${end.kind}"`},"duration_ms":${round(record.durationMs)}` +
    (record.queuedMs > 0 ? `,"queued_ms":${round(record.queuedMs)}` : '') +
    (upstreamMs === undefined ? '' : `,"upstream_ms":${round(upstreamMs)}`) +
    `,"bytes_in":${end.requestBytes},"bytes_out":${end.responseBytes}${tried}}\n`
  );
}

/** Whether the attempts tell more than the line does: there was more than one, or no instance answered. */
function listsAttempts({ attempts, instance }: ExchangeRecord): boolean {
  return attempts.length > 1 || (attempts.length === 1 && instance === undefined);
}

function attemptJson({ instance, kind, end, error, detail, status, durationMs }: AttemptRecord): string {
  return (
    `{"instance":${quote(instance)},"kind":"${kind}","end":"${end}"${member('error', error)}${member('detail', detail)}` +
    `${status === undefined ? '' : `,"status":${status}`},"duration_ms":${round(durationMs)}}`
  );
}

/** `a:connect_refused b:503 c:answered`: the instances that were tried, in the order of their ends, with the result of each. */
function attemptText({ instance, kind, end, error, detail, status }: AttemptRecord): string {
  const what = error ?? (end === 'passed_over' ? String(status) : end);
  const how = detail === undefined ? what : `${what}(${printable(detail)})`;
  return `${printable(instance)}:${how}${kind === 'hedge' || kind === 'silence' ? `(${kind})` : ''}`;
}

type Colours = ReturnType<typeof picocolors.createColors>;

function byStatus(colours: Colours, status: number): (text: string) => string {
  if (status >= 500) return colours.red;
  if (status >= 400) return colours.yellow;
  return status >= 300 ? colours.cyan : colours.green;
}

/** The same for a terminal: `19:50:01.123 200 GET /api/whoami → api-service x7k2 3.1 ms`. */
export function accessText(record: ExchangeRecord, time: Date, colours: Colours): string {
  const clock = `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  const to =
    record.service === undefined
      ? ''
      : ` → ${printable(record.service)} ${printable(record.instance ?? '-')}`;
  const { error, detail } = record;
  const why =
    error === undefined
      ? ''
      : ` ${colours.red(error)}${detail === undefined ? '' : ` (${printable(detail)})`}`;
  const tries = listsAttempts(record) ? ` attempts=[${record.attempts.map(attemptText).join(' ')}]` : '';
  const queued = record.queuedMs > 0 ? ` queued ${round(record.queuedMs)} ms` : '';
  const cut = record.end.kind === 'complete' ? '' : ` [${record.end.kind}]`;
  return (
    `${colours.dim(clock)} ${byStatus(colours, record.status)(String(record.status))} ${printable(record.method)} ` +
    `${printable(record.path)}${to} ${colours.dim(`${round(record.durationMs)} ms`)}${queued}${tries}${why}${cut}\n`
  );
}
