/** What happened, for programs. One event per change of state, never one per attempt; `handler_failed`: one per request. */
export type ServiceEventKind =
  | 'listening'
  | 'registered'
  | 'address_changed'
  | 'stale_instance_removed'
  | 'several_agents'
  | 'several_processes'
  | 'registration_lost'
  | 'registration_failed'
  | 'live'
  | 'stopping'
  | 'drain_acknowledged'
  | 'connections_cut'
  | 'handler_failed'
  | 'stop_step_failed'
  | 'stopped'
  | 'fatal_error'
  | 'stop_cut';

/** One line of a service's life. */
export interface ServiceEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly kind: ServiceEventKind;
  /** The service's name. */
  readonly service: string;
  /** For a person, one line, without the service's name. */
  readonly message: string;
}

/** Where events go. Must not throw; when it does, the event is lost and nothing else. */
export type ServiceLog = (event: ServiceEvent) => void;

/** A logger that takes fields and a message, such as Pino's, Fastify's `app.log` or `console`. */
export type ServiceLogger = Readonly<
  Record<
    ServiceEvent['level'],
    (fields: { readonly service: string; readonly kind: string }, message: string) => void
  >
>;

/** What was given as `log`, as a function; undefined when it is neither a function nor a logger. */
export function logFrom(value: unknown): ServiceLog | undefined {
  if (typeof value === 'function') return value as ServiceLog;
  if (!isLogger(value)) return undefined;
  return ({ level, kind, service, message }) => {
    value[level]({ service, kind }, message);
  };
}

function isLogger(value: unknown): value is ServiceLogger {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function')
  );
}

/** What `LOG_LEVEL` may say, and the level of an event; anything else counts as info. */
const ranks: Readonly<Record<string, number>> = { warn: 1, error: 2, fatal: 3, silent: 3 };

/** Emits events of one service; what the sink throws stays here, because a log must not stop a heartbeat. */
export type Report = (level: ServiceEvent['level'], kind: ServiceEventKind, message: string) => void;

/** Binds a log to one service. Without a log: lines on stderr from `LOG_LEVEL` on. */
export function createReport(service: string, log: ServiceLog = stderrLog()): Report {
  return (level, kind, message) => {
    try {
      log({ level, kind, service, message });
    } catch {
      // Nothing sensible is left to report it to.
    }
  };
}

let isStderrGuarded = false;

/**
 * Lines on stderr at or above `LOG_LEVEL`: `api-service: registered …` for a terminal, JSON for everything else. The reader of stderr
 * may go away first; the EPIPE that then comes with every line must not become an uncaught exception, whose report would be the next
 * line.
 */
function stderrLog(): ServiceLog {
  if (!isStderrGuarded) {
    isStderrGuarded = true;
    process.stderr.on('error', () => undefined);
  }
  const { LOG_LEVEL: level = '', LOG_FORMAT: format } = process.env;
  const threshold = ranks[level.toLowerCase()] ?? 0;
  const isReadable = format === 'text' || (format !== 'json' && process.stderr.isTTY);
  return (event) => {
    if ((ranks[event.level] ?? 0) >= threshold)
      process.stderr.write(isReadable ? `${event.service}: ${event.message}\n` : jsonLine(event));
  };
}

/** The fields of a gateway's lines. */
function jsonLine({ level, kind, service, message }: ServiceEvent): string {
  return `${JSON.stringify({ level, time: new Date().toISOString(), service, kind, msg: message })}\n`;
}
