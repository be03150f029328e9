import type { Endpoint, Instance, Snapshot } from '@roundhouse/agent-sdk/internal';

import type { RouteConfig } from '../../gateway/src/config/gateway-config.ts';

/** An instance that passes its checks. Its key follows from cluster, node and id unless it is given. */
export function instance(id: string, more: Partial<Instance> = {}): Instance {
  const { cluster = 'c', node = 'n' } = more;
  return {
    key: `${cluster}/${node}/${id}`,
    cluster,
    node,
    id,
    service: 'api',
    address: '10.0.0.1',
    port: 1000,
    tags: [],
    meta: {},
    status: 'passing',
    weight: 1,
    createIndex: 1,
    ...more,
  };
}

/** A healthy endpoint on a port of 127.0.0.1. */
export function endpointAt(port: number): Endpoint {
  return {
    instance: instance(`i${port}`, { address: '127.0.0.1', port }),
    inFlight: 0,
    total: 0,
    health: { state: 'healthy', failures: 0, ejections: 0, sinceMs: 0 },
    availability: 'available',
    check: 'unchecked',
    phase: 'serving',
    silence: 'none',
    hear: () => undefined,
  };
}

/** A snapshot of these instances. */
export function snapshot(service: string, instances: readonly Instance[], index = '1'): Snapshot {
  return { service, index, instances, quarantined: [], held: [] };
}

/** A route of the configuration. */
export function routeConfig(prefix: string, service: string, more: Partial<RouteConfig> = {}): RouteConfig {
  return {
    prefix,
    host: undefined,
    service,
    strip: undefined,
    timeouts: {},
    retry: {},
    hedgeAfterMs: undefined,
    owners: undefined,
    claims: undefined,
    paths: undefined,
    source: 'config',
    ...more,
  };
}
