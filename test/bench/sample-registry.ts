import type { Instance, Snapshot } from '@roundhouse/agent-sdk/internal';

import type { Route } from '../../gateway/src/routing/route.ts';

/** The prefix of route number `k`. */
export const prefixOf = (k: number): string => `/team-${k % 100}/service-${k}${k % 2 === 0 ? '' : '/v1'}`;

/** Route number `k`; one in five has a host. */
export function route(k: number): Route {
  return {
    host: k % 5 === 0 ? `team-${k % 100}.example.org` : undefined,
    prefix: prefixOf(k),
    service: `service-${k}`,
    strip: undefined,
    tag: undefined,
    timeouts: {},
    source: 'registry',
  };
}

/** Instance number `k`, of a service, with an address of its own. */
export function instance(service: string, k: number, tags: readonly string[], index: number): Instance {
  return {
    key: `default/node-${k % 50}/${service}-${k}`,
    cluster: 'default',
    node: `node-${k % 50}`,
    id: `${service}-${k}`,
    service,
    address: `10.${(k >> 16) & 255}.${(k >> 8) & 255}.${k & 255}`,
    port: 20_000 + (k % 20_000),
    tags,
    meta: {},
    status: 'passing',
    weight: 1,
    createIndex: index,
  };
}

/** The snapshot of a service that has these instances. */
export function snapshot(service: string, instances: readonly Instance[]): Snapshot {
  return { service, index: '1', instances, quarantined: [], held: [] };
}
