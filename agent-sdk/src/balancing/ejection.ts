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
  /** At most this share of an upstream's endpoints is ejected at a time; one always may be. */
  readonly maxRatio: number;
}

/** Health of a new endpoint. */
export function freshHealth(nowMs: number): EndpointHealth {
  return { state: 'healthy', failures: 0, ejections: 0, sinceMs: nowMs };
}

/** What follows an ejection: one request at a time is let in as a trial. */
export function probation({ ejections }: EndpointHealth): EndpointHealth {
  return { state: 'probation', ejections };
}

/** How many of `endpoints` may be ejected, or in probation after it, at the same time. */
export function ejectionLimit(policy: EjectionPolicy, endpoints: number): number {
  return Math.max(1, Math.floor(policy.maxRatio * endpoints));
}

/** A report, and the circumstances that it is judged by. */
export interface HealthEvent {
  readonly report: EndpointReport;
  /** The attempt began before the latest ejection, so it says nothing new. */
  readonly isLate: boolean;
  readonly nowMs: number;
  /** Whether the upstream allows one more ejection. */
  readonly mayEject: boolean;
}

/**
 * The health after a report. A refused connection ejects at once; other failures and gateway errors eject after several in a row; a plain
 * 5xx only counts for the success rate (`outliers.ts`). In probation everything but a success ejects again.
 */
export function observe(policy: EjectionPolicy, health: EndpointHealth, event: HealthEvent): EndpointHealth {
  const { report, nowMs } = event;
  if (event.isLate) return health;
  if (report === 'success') return succeeded(policy, health, nowMs);
  if (health.state === 'probation') return eject(policy, health, nowMs);
  if (health.state === 'ejected' || report === 'server_error') return health;
  const failures = health.failures + 1;
  const ejects = report === 'connect_failed' || failures >= policy.consecutiveFailures;
  return ejects && event.mayEject ? eject(policy, health, nowMs) : { ...health, failures };
}

/** Ejects from now on, each time for longer. */
export function eject(policy: EjectionPolicy, { ejections }: EndpointHealth, nowMs: number): EndpointHealth {
  const lengthMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(ejections, 30));
  return { state: 'ejected', untilMs: nowMs + lengthMs, ejections: ejections + 1 };
}

/** Ends an ejection or probation; the next ejection is as long as if this one had run its course. */
export function readmit({ ejections }: EndpointHealth, nowMs: number): EndpointHealth {
  return { state: 'healthy', failures: 0, ejections, sinceMs: nowMs };
}

function succeeded(policy: EjectionPolicy, health: EndpointHealth, nowMs: number): EndpointHealth {
  if (health.state !== 'healthy') return readmit(health, nowMs);
  const forgets = health.ejections > 0 && nowMs - health.sinceMs > policy.maxMs;
  if (health.failures === 0 && !forgets) return health;
  return { ...health, failures: 0, ejections: forgets ? 0 : health.ejections };
}
