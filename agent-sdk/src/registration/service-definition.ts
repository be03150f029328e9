import { isIPv6 } from 'node:net';

import { identityMetaKey, identityMetaValue } from '../discovery/identity.ts';
import type { CheckDefinition, ServiceDefinition } from '../discovery/registry-client.ts';

/** What is registered, apart from the advertised address, which may change while the service runs. */
export interface InstanceFacts {
  readonly id: string;
  readonly name: string;
  readonly port: number;
  /** Route tags first, then the caller's; the service's name is put in front of them. */
  readonly tags: readonly string[];
  /** The caller's own pairs, already within Consul's limits. */
  readonly meta: Readonly<Record<string, string>>;
  readonly version: string | undefined;
  readonly weight: number;
  readonly pid: number;
  /** When the process began to serve, ISO 8601. */
  readonly started: string;
  readonly ttlMs: number;
  readonly deregisterCriticalAfterMs: number;
  /** Whether the process says who it is when asked; gateways send nothing to somebody who can't after this promise. */
  readonly identity: 'answering' | 'none';
  readonly httpCheck: { readonly path: string; readonly intervalMs: number } | undefined;
}

/**
 * What a heartbeat says: nothing, as the registration itself. Every change of a check's output raises Consul's index and wakes
 * all watchers of the service, and a text would be one when the agent next syncs (measured on 1.8.7).
 */
export const heartbeatNote = '';

/** The check that heartbeats keep passing. */
export function ttlCheckId(instanceId: string): string {
  return `service:${instanceId}:ttl`;
}

/**
 * The registration in Consul's terms. Checks have explicit ids, so that registering again keeps their status, and start as
 * passing, because the port is bound and the service ready by then. In the state `warning` (an HTTP check that answers 429)
 * an instance counts with weight 1 whatever its weight is when it passes.
 */
export function serviceDefinition(facts: InstanceFacts, address: string): ServiceDefinition {
  return {
    ID: facts.id,
    Name: facts.name,
    Address: address,
    Port: facts.port,
    Tags: [...new Set([facts.name, ...facts.tags])],
    Meta: {
      ...(facts.version === undefined ? {} : { version: facts.version }),
      weight: String(facts.weight),
      pid: String(facts.pid),
      started: facts.started,
      ...(facts.identity === 'answering' ? { [identityMetaKey]: identityMetaValue } : {}),
      ...facts.meta,
    },
    Weights: { Passing: facts.weight, Warning: 1 },
    Checks: checks(facts, address),
  };
}

function checks(facts: InstanceFacts, address: string): readonly CheckDefinition[] {
  const common = {
    Status: 'passing' as const,
    DeregisterCriticalServiceAfter: `${facts.deregisterCriticalAfterMs}ms`,
  };
  const ttl: CheckDefinition = {
    CheckID: ttlCheckId(facts.id),
    Name: 'Heartbeat',
    TTL: `${facts.ttlMs}ms`,
    ...common,
  };
  if (facts.httpCheck === undefined) return [ttl];
  const host = isIPv6(address) ? `[${address}]` : address;
  const http: CheckDefinition = {
    CheckID: `service:${facts.id}:http`,
    Name: `GET ${facts.httpCheck.path}`,
    HTTP: `http://${host}:${facts.port}${facts.httpCheck.path}`,
    Interval: `${facts.httpCheck.intervalMs}ms`,
    Timeout: `${Math.min(facts.httpCheck.intervalMs, 10_000)}ms`,
    ...common,
  };
  return [ttl, http];
}

/**
 * Ids that a crashed predecessor left behind: same service, same address, same port, other id. Two live processes cannot
 * listen there at once, so they are dead for certain. The body is what `/v1/agent/services` answered, and is not believed:
 * what does not look like a record is passed over.
 */
export function staleInstanceIds(agentServices: unknown, own: ServiceDefinition): readonly string[] {
  if (!isRecord(agentServices)) return [];
  return Object.values(agentServices).flatMap((entry) =>
    isRecord(entry) &&
    typeof entry['ID'] === 'string' &&
    entry['ID'] !== own.ID &&
    entry['Service'] === own.Name &&
    entry['Address'] === own.Address &&
    entry['Port'] === own.Port
      ? [entry['ID']]
      : [],
  );
}

/** Why an instance is put into maintenance by this SDK; tells ours from that of an operator, which is left alone. */
export const stoppingReason = 'The service is stopping';

/**
 * Whether a predecessor of the same id was killed between going into maintenance and leaving the registry. Consul keeps the
 * maintenance when the id is registered again, and the successor would never get a request. The body is what
 * `/v1/health/service/:name` answered, and is not believed further than its form.
 */
export function isLeftStopping(serviceHealth: unknown, id: string): boolean {
  const rows: readonly unknown[] = Array.isArray(serviceHealth) ? serviceHealth : [];
  return rows.some((row) => {
    const checks: unknown = isRecord(row) ? row['Checks'] : undefined;
    const list: readonly unknown[] = Array.isArray(checks) ? checks : [];
    return list.some(
      (check) =>
        isRecord(check) &&
        check['CheckID'] === `_service_maintenance:${id}` &&
        check['Notes'] === stoppingReason,
    );
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
