import { isIPv6 } from 'node:net';

import { customAlphabet } from 'nanoid';

import { identityMetaKey, identityMetaValue, schemeMetaKey } from '../discovery/identity.ts';
import { routingKeyMetaKey } from '../discovery/routing-status.ts';
import type { CheckDefinition, ServiceDefinition } from '../discovery/registry-client.ts';

import type { TaggedAddresses } from './options.ts';
import { timeLimits } from './time-limits.ts';

/** Lower case letters and digits only: safe to copy from a log into a URL, a shell or a DNS name. */
const randomPart = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 10);

/** A new instance id, `api-service-x7k2m9q4ab`: about 52 random bits, different at every start of a process. */
export function createInstanceId(name: string): string {
  return `${name}-${randomPart()}`;
}

/** What an instance names when it asks a gateway how it stands. */
export const createRoutingKey: () => string = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 20);

/** What is registered, apart from the advertised address, which may change while the service runs. */
export interface InstanceFacts {
  readonly id: string;
  readonly name: string;
  /** As it is advertised. */
  readonly port: number;
  /** Further addresses, by their names. */
  readonly taggedAddresses: TaggedAddresses;
  /** Undefined: plain HTTP. */
  readonly scheme: 'https' | undefined;
  /** Tags that claim routes. */
  readonly routes: readonly string[];
  /** The caller's own tags. */
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
  /** Whether the process answers the identity question. After this promise, gateways send nothing to a process that can't. */
  readonly answersIdentity: boolean;
  /** Random; see `routingKeyMetaKey`. */
  readonly key: string;
  readonly check: { readonly http: string; readonly intervalMs: number } | undefined;
}

/**
 * The output of a heartbeat: empty, as in the registration itself. Every change of a check's output raises Consul's index and wakes
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
  const tagged = Object.entries(facts.taggedAddresses);
  return {
    ID: facts.id,
    Name: facts.name,
    Address: address,
    Port: facts.port,
    ...(tagged.length === 0
      ? {}
      : {
          TaggedAddresses: Object.fromEntries(
            tagged.map(([name, at]) => [name, { Address: at.address, Port: at.port ?? facts.port }]),
          ),
        }),
    Tags: [...new Set([facts.name, ...facts.routes, ...facts.tags])],
    Meta: {
      ...(facts.version === undefined ? {} : { version: facts.version }),
      weight: String(facts.weight),
      pid: String(facts.pid),
      started: facts.started,
      [routingKeyMetaKey]: facts.key,
      ...(facts.scheme === undefined ? {} : { [schemeMetaKey]: facts.scheme }),
      ...(facts.answersIdentity ? { [identityMetaKey]: identityMetaValue } : {}),
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
  if (facts.check === undefined) return [ttl];
  const host = isIPv6(address) ? `[${address}]` : address;
  const http: CheckDefinition = {
    CheckID: `service:${facts.id}:http`,
    Name: `GET ${facts.check.http}`,
    HTTP: `http://${host}:${facts.port}${facts.check.http}`,
    Interval: `${facts.check.intervalMs}ms`,
    Timeout: `${Math.min(facts.check.intervalMs, timeLimits.httpCheckMs)}ms`,
    ...common,
  };
  return [ttl, http];
}

/** The reason of a maintenance by this SDK. One with another reason is an operator's and is left alone. */
export const stoppingReason = 'The service is stopping';
