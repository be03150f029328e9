import { connect } from 'node:net';

import type { RegistryClient, ServiceDefinition } from '../discovery/registry-client.ts';
import { routingKeyMetaKey } from '../discovery/routing-status.ts';

import type { Clock } from './clock.ts';
import type { Report } from './log.ts';
import { isRecord } from './option-rules.ts';
import { ttlCheckId } from './service-definition.ts';
import { isLeftStopping, listOf, unlessRefused } from './stale-registrations.ts';
import type { RegistrarTiming } from './time-limits.ts';

/** Another process with this one's id. Consul's agent holds one record for both: that of the process that registered last. */
export interface Rival {
  readonly address: string;
  readonly port: number;
}

/** Whether a connection to a rival failed at once. A connection that neither opens nor fails says nothing. */
export type RefusesConnections = (rival: Rival, signal: AbortSignal) => Promise<boolean>;

/** Whose the record of this process's id is at Consul's agent. Both methods reject when Consul can't be reached. */
export interface Rivals {
  /** The rival that has the record, dead or alive. One read of the agent; warns once per rival. */
  holder(own: ServiceDefinition): Promise<Rival | undefined>;
  /**
   * The rival that has the record and keeps it; undefined when this process may register. A rival keeps the record until it refuses
   * connections, its heartbeat is missing, or it stops: two processes that register in turn would send requests back and forth.
   */
  keeper(own: ServiceDefinition): Promise<Rival | undefined>;
}

/** What rivals are looked for with. */
export interface RivalsParts {
  readonly client: RegistryClient;
  /** Gives a call its deadline. */
  readonly call: <T>(what: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly report: Report;
  readonly clock: Clock;
  readonly timing: RegistrarTiming;
  readonly refusesConnections: RefusesConnections;
  /** Told when a rival keeps the record: it may leave its maintenance there. */
  readonly onKept: () => void;
}

export function createRivals(parts: RivalsParts): Rivals {
  const { client, call, report, clock, timing } = parts;
  const warned = new Set<string>();
  let tookAtMs = -Infinity;

  async function holder(own: ServiceDefinition): Promise<Rival | undefined> {
    let rival: Rival | undefined;
    await unlessRefused(async () => {
      const record = await call((signal) => client.agentService(own.ID, { signal }));
      rival = rivalIn(record.body, own);
    });
    if (rival === undefined) return undefined;
    const place = placeOf(rival);
    if (!warned.has(place)) report('warn', 'several_processes', displacedError(own, rival).message);
    warned.add(place);
    return rival;
  }

  /** At most once per reconcile interval: where a firewall refuses connections between two live processes, they take turns at most that often. */
  async function hasDied(rival: Rival): Promise<boolean> {
    if (clock.nowMs() - tookAtMs < timing.reconcileMs) return false;
    const refuses = await call((signal) => parts.refusesConnections(rival, signal)).catch(() => false);
    if (refuses) tookAtMs = clock.nowMs();
    return refuses;
  }

  async function hasLeft(rival: Rival, { ID: id, Name: name }: ServiceDefinition): Promise<boolean> {
    let left = false;
    await unlessRefused(async () => {
      const health = await call((signal) => client.serviceHealth(name, { signal }));
      left = isLeaving(health.body, id, rival);
    });
    return left;
  }

  return {
    holder,
    async keeper(own) {
      const rival = await holder(own);
      if (rival === undefined || (await hasDied(rival)) || (await hasLeft(rival, own))) return undefined;
      parts.onKept();
      return rival;
    },
  };
}

/**
 * The rival that has the record of `own`'s id: it registered from another place, with another key. The same key at another address is
 * this process before its address changed. The record is what `/v1/agent/service/:id` answered.
 */
export function rivalIn(record: unknown, own: ServiceDefinition): Rival | undefined {
  if (!isRecord(record)) return undefined;
  const { Address: address, Port: port, Meta: meta } = record;
  if (typeof address !== 'string' || typeof port !== 'number') return undefined;
  if (address === own.Address && port === own.Port) return undefined;
  const key = isRecord(meta) ? meta[routingKeyMetaKey] : undefined;
  return key !== undefined && key === own.Meta[routingKeyMetaKey] ? undefined : { address, port };
}

/** Whether a rival stops, or its heartbeat is missing. The body is what `/v1/health/service/:name` answered. */
function isLeaving(serviceHealth: unknown, id: string, { address, port }: Rival): boolean {
  const rows = listOf(serviceHealth).filter((row) => {
    const service = isRecord(row) ? row['Service'] : undefined;
    return (
      isRecord(service) && service['ID'] === id && service['Address'] === address && service['Port'] === port
    );
  });
  const checks = rows.flatMap((row) => listOf(isRecord(row) ? row['Checks'] : undefined));
  const isHeartbeatMissing = checks.some(
    (check) => isRecord(check) && check['CheckID'] === ttlCheckId(id) && check['Status'] === 'critical',
  );
  return isHeartbeatMissing || isLeftStopping(rows, id);
}

function placeOf({ address, port }: Rival): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Why this process is not registered while a rival has its id. */
export function displacedError(
  { ID: id, Address: address, Port: port }: ServiceDefinition,
  rival: Rival,
): Error {
  return new Error(
    `another process registered ${id} at ${placeOf(rival)}; this one is at ${placeOf({ address, port })} and gets requests again ` +
      'when that one has ended: give each its own id or none',
  );
}

/** Connects and closes at once. */
export const refusesConnections: RefusesConnections = ({ address, port }, signal) =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (refuses: boolean) => (): void => {
      signal.removeEventListener('abort', unknown);
      socket.destroy();
      resolve(refuses);
    };
    const unknown = end(false);
    signal.addEventListener('abort', unknown, { once: true });
    socket.once('connect', end(false)).on('error', end(true));
  });
