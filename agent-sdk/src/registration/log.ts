/** What happened, for programs. One event per change of state, never one per attempt. */
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
 * Lines on stderr, `api-service: registered …`, at or above `LOG_LEVEL`. The reader of stderr may go away first; the EPIPE that
 * then comes with every line must not become an uncaught exception, whose report would be the next line.
 */
function stderrLog(): ServiceLog {
  if (!isStderrGuarded) {
    isStderrGuarded = true;
    process.stderr.on('error', () => undefined);
  }
  const threshold = ranks[process.env['LOG_LEVEL']?.toLowerCase() ?? ''] ?? 0;
  return ({ level, service, message }) => {
    if ((ranks[level] ?? 0) >= threshold) process.stderr.write(`${service}: ${message}\n`);
  };
}
