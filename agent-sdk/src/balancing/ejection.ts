import type { EndpointHealth, EndpointReport } from './endpoint.ts';

/**
 * Passive ejection: healthy → ejected → probation → healthy. A reducer over values; time is the caller's monotonic milliseconds.
 * The numbers follow Envoy's outlier detection, but a refused connection ejects at once, since it is certain.
 */
export interface EjectionPolicy {
  /** Failures in a row (refused connections apart) that eject. */
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

/** `open`: takes any request. `probe`: takes one request at a time, to see. `closed`: takes none. */
export function admission(health: EndpointHealth, nowMs: number): 'open' | 'probe' | 'closed' {
  switch (health.state) {
    case 'healthy':
      return 'open';
    case 'probation':
      return 'probe';
    case 'ejected':
      return nowMs >= health.untilMs ? 'probe' : 'closed';
  }
}

/** How many of `endpoints` may be ejected at the same time. */
export function ejectionLimit(policy: EjectionPolicy, endpoints: number): number {
  return Math.max(1, Math.floor(policy.maxRatio * endpoints));
}

/** What a report makes of a health. `room`: whether the upstream allows one more ejection. */
export function observe(
  policy: EjectionPolicy,
  health: EndpointHealth,
  event: { readonly report: EndpointReport; readonly nowMs: number; readonly room: 'free' | 'full' },
): EndpointHealth {
  const { report, nowMs } = event;
  if (report === 'success' || report === 'server_error') {
    if (health.state === 'healthy') {
      const forgiven = health.ejections > 0 && nowMs - health.sinceMs > policy.maxMs;
      if (health.failures === 0 && !forgiven) return health;
      return { ...health, failures: 0, ejections: forgiven ? 0 : health.ejections };
    }
    return { state: 'healthy', failures: 0, ejections: health.ejections, sinceMs: nowMs };
  }
  const failures = health.state === 'healthy' ? health.failures + 1 : policy.consecutiveFailures;
  const ejects = report === 'connect_failed' || failures >= policy.consecutiveFailures;
  if (health.state === 'ejected' && nowMs < health.untilMs) return health;
  if (!ejects || (event.room === 'full' && health.state === 'healthy')) {
    return health.state === 'healthy' ? { ...health, failures } : health;
  }
  const lengthMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(health.ejections, 30));
  return { state: 'ejected', untilMs: nowMs + lengthMs, ejections: health.ejections + 1 };
}
