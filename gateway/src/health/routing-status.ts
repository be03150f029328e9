import type { Endpoint, RoutingStatus, Snapshot } from '@roundhouse/agent-sdk/internal';

import type { CheckStatus } from './checks.ts';
import type { Reach } from './reachability.ts';

/** What is known of an endpoint beside its own state. */
export interface EndpointFacts {
  readonly endpoint: Endpoint;
  readonly reach: () => Reach;
  readonly check: CheckStatus;
}

type RoutingState = Omit<RoutingStatus, 'gateway' | 'inFlight'>;

const out = (reason: string): RoutingState => ({ state: 'out', reason });

/** How one endpoint stands: whether it gets requests, and why when it doesn't. The first reason that applies is told. */
export function stateOf({ endpoint, reach, check }: EndpointFacts, nowMs: number): RoutingState {
  const { health, instance, phase } = endpoint;
  if (phase === 'draining' || instance.status === 'draining') return { state: 'draining', reason: '' };
  if (instance.status === 'critical') return out('its checks in Consul are critical');
  if (check.verdict === 'down') return out(`fails the checks of this gateway: ${check.reason}`);
  const reached = reach();
  if (reached?.kind === 'dead') return out(reached.reason);
  if (health.state === 'ejected') {
    const leftMs = Math.max(0, Math.round(health.untilMs - nowMs));
    return out(`left out after failures, for ${leftMs} ms more (ejection ${health.ejections})`);
  }
  if (health.state === 'probation') return out('on probation after failures');
  return reached === undefined ? out('not checked yet') : { state: 'live', reason: '' };
}

/** An instance of which no endpoint is known: perhaps its record could not be believed. */
export function stateWithoutEndpoint(snapshot: Snapshot | undefined, id: string): RoutingState {
  const quarantined = snapshot?.quarantined.find((record) => record.id === id);
  return quarantined === undefined
    ? { state: 'unknown', reason: '' }
    : out(`its registration is not believed: ${quarantined.reason}`);
}

/** Endpoints by the ids of their instances; of several with one id (one moved, the old one drains) the one that serves. */
export function endpointsById(endpoints: readonly Endpoint[]): ReadonlyMap<string, Endpoint> {
  const index = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const known = index.get(endpoint.instance.id);
    if (known === undefined || known.phase === 'draining') index.set(endpoint.instance.id, endpoint);
  }
  return index;
}
