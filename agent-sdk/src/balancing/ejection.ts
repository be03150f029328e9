import type { EndpointHealth, EndpointReport } from './endpoint.ts';

/**
 * Passive ejection: healthy → ejected → probation → healthy. A reducer over values; time is the caller's monotonic milliseconds.
 * The numbers follow Envoy's outlier detection, but a refused connection ejects at once, since it is certain.
 */
export interface EjectionPolicy {
  /** Failures and gateway errors in a row (refused connections apart) that eject. */
  readonly consecutiveFailures: number;
  /** The first ejection's length; each further one doubles it. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** At most this share of an upstream's endpoints is out at a time; one always may be. */
  readonly maxRatio: number;
}

/** Health of an endpoint that nothing is known of. */
export function freshHealth(nowMs: number): EndpointHealth {
  return { state: 'healthy', failures: 0, ejections: 0, sinceMs: nowMs };
}

/** What an ejection whose time is over turns into: one request at a time is let in, to see. */
export function probation(health: EndpointHealth): EndpointHealth {
  return { state: 'probation', ejections: health.ejections };
}

/** How many of `endpoints` may be ejected, or in probation after it, at the same time. */
export function ejectionLimit(policy: EjectionPolicy, endpoints: number): number {
  return Math.max(1, Math.floor(policy.maxRatio * endpoints));
}

/** A report with what has to be known to judge it. */
export interface HealthEvent {
  readonly report: EndpointReport;
  /** `late`: of an attempt that began before the latest ejection, which it says nothing new about. */
  readonly attempt: 'current' | 'late';
  readonly nowMs: number;
  /** Whether the upstream allows one more ejection. */
  readonly room: 'free' | 'full';
}

/**
 * What a report makes of a health. A refused connection ejects at once; of other failures and gateway errors it takes several in a row; a
 * plain 5xx is left to the success rate (`outliers.ts`). In probation everything but a success ejects again.
 */
export function observe(policy: EjectionPolicy, health: EndpointHealth, event: HealthEvent): EndpointHealth {
  const { report, nowMs } = event;
  if (event.attempt === 'late') return health;
  if (report === 'success') return succeeded(policy, health, nowMs);
  if (health.state === 'probation') return eject(policy, health, nowMs);
  if (health.state === 'ejected' || report === 'server_error') return health;
  const failures = health.failures + 1;
  const ejects = report === 'connect_failed' || failures >= policy.consecutiveFailures;
  return ejects && event.room === 'free' ? eject(policy, health, nowMs) : { ...health, failures };
}

/** Leaves an endpoint out from now on, each time for longer. */
export function eject(policy: EjectionPolicy, health: EndpointHealth, nowMs: number): EndpointHealth {
  const lengthMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(health.ejections, 30));
  return { state: 'ejected', untilMs: nowMs + lengthMs, ejections: health.ejections + 1 };
}

/** Takes an endpoint back in; its next ejection lasts as long as if it had stayed out. */
export function readmit(health: EndpointHealth, nowMs: number): EndpointHealth {
  return { state: 'healthy', failures: 0, ejections: health.ejections, sinceMs: nowMs };
}

function succeeded(policy: EjectionPolicy, health: EndpointHealth, nowMs: number): EndpointHealth {
  if (health.state !== 'healthy') return readmit(health, nowMs);
  const forgiven = health.ejections > 0 && nowMs - health.sinceMs > policy.maxMs;
  if (health.failures === 0 && !forgiven) return health;
  return { ...health, failures: 0, ejections: forgiven ? 0 : health.ejections };
}
