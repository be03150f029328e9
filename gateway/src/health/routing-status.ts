import type { Endpoint, RoutingQuestion, RoutingStatus, Snapshot } from '@roundhouse/agent-sdk/internal';

import type { EndpointCheck } from './checks.ts';
import type { Reach } from './reachability.ts';

/** An endpoint, and what health knows about it. */
export interface EndpointFacts {
  readonly endpoint: Endpoint;
  readonly reach: () => Reach;
  readonly check: EndpointCheck;
}

type RoutingState = Omit<RoutingStatus, 'gateway' | 'inFlight'>;

const out = (reason: string): RoutingState => ({ state: 'out', reason });

/** Whether an endpoint gets requests, and the first reason that applies when it does not. */
export function stateOf({ endpoint, reach, check }: EndpointFacts, nowMs: number): RoutingState {
  const { health, instance, phase } = endpoint;
  if (phase === 'draining' || instance.status === 'draining') return { state: 'draining', reason: '' };
  if (instance.status === 'critical') return out('its checks in Consul are critical');
  if (check.verdict === 'down') return out(`fails the checks of this gateway: ${check.reason}`);
  if (endpoint.silence === 'silent') return out('it owes responses and answers no question');
  const reached = reach();
  if (reached?.kind === 'dead') return out(reached.reason);
  if (health.state === 'ejected') {
    const leftMs = Math.max(0, Math.round(health.untilMs - nowMs));
    return out(`left out after failures, for ${leftMs} ms more (ejection ${health.ejections})`);
  }
  if (health.state === 'probation') return out('on probation after failures');
  return reached === undefined ? out('not checked yet') : { state: 'live', reason: '' };
}

/** The same for an instance without an endpoint whose record is in quarantine; undefined for any other, and for a wrong key. */
export function stateWithoutEndpoint(
  snapshot: Snapshot | undefined,
  { id, key }: Pick<RoutingQuestion, 'id' | 'key'>,
): RoutingState | undefined {
  const quarantined = snapshot?.quarantined.find((record) => record.id === id && record.key === key);
  return quarantined && out(`its registration is not believed: ${quarantined.reason}`);
}

/** Endpoints by the ids of their instances. After a move the old endpoint drains under the same id; then the serving one counts. */
export function endpointsById(endpoints: readonly Endpoint[]): ReadonlyMap<string, Endpoint> {
  const index = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const known = index.get(endpoint.instance.id);
    if (known === undefined || known.phase === 'draining') index.set(endpoint.instance.id, endpoint);
  }
  return index;
}
