import type { CheckRecord, CheckSpec, NodeFacts, ServiceSpec } from './records.ts';

/** A check before it has been given its indexes. */
export type UnindexedCheck = Omit<CheckRecord, 'createIndex' | 'modifyIndex'>;

/** The id of the node's own check. */
export const serfHealthId = 'serfHealth';

/** The id of the check that holds a service (or, for an empty id, the node) in maintenance. */
export const maintenanceCheckId = (serviceId: string): string =>
  serviceId === '' ? '_node_maintenance' : `_service_maintenance:${serviceId}`;

/** The check that every node has; in a real cluster gossip sets it. */
export function serfHealth(): UnindexedCheck {
  return fixedCheck(
    { id: serfHealthId, name: 'Serf Health Status', notes: '', status: 'passing' },
    '',
    '',
    'Agent alive and reachable',
  );
}

/** The critical check that stands for maintenance; the reason, or Consul's default sentence, is in its notes. */
export function maintenanceCheck(serviceId: string, reason: string): UnindexedCheck {
  const what = serviceId === '' ? 'node' : 'service';
  const given =
    reason ||
    `Maintenance mode is enabled for this ${what}, but no reason was provided. This is a default message.`;
  return fixedCheck(
    {
      id: maintenanceCheckId(serviceId),
      name: serviceId === '' ? 'Node Maintenance Mode' : 'Service Maintenance Mode',
      notes: given,
      status: 'critical',
    },
    serviceId,
    'maintenance',
    '',
  );
}

/** Consul's own service: in the catalog, but not among the agent's services. */
export function serverService(node: NodeFacts): ServiceSpec {
  return {
    id: 'consul',
    name: 'consul',
    address: '',
    port: 8300,
    tags: [],
    meta: { node: node.name },
    taggedAddresses: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
  };
}

/** What an expired TTL check says, in Consul's words (agent/checks/check.go, `getExpiredOutput`). */
export function expiredOutput(last: string): string {
  if (last === '' || last.startsWith('TTL expired')) return 'TTL expired';
  return `TTL expired (last output before timeout follows): ${last}`;
}

function fixedCheck(
  spec: Pick<CheckSpec, 'id' | 'name' | 'notes' | 'status'>,
  serviceId: string,
  type: CheckRecord['type'],
  output: string,
): UnindexedCheck {
  return {
    spec: { ...spec, source: { kind: 'none' }, deregisterAfterMs: undefined },
    serviceId,
    type,
    status: spec.status,
    output,
    catalogOutput: output,
  };
}
