import type { Instance } from '@roundhouse/agent-sdk/internal';

import type { Route } from '../../gateway/src/routing/route.ts';
import { instance } from '../kit/builders.ts';

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
export function numberedInstance(
  service: string,
  k: number,
  tags: readonly string[],
  createIndex: number,
): Instance {
  return instance(`${service}-${k}`, {
    cluster: 'default',
    node: `node-${k % 50}`,
    service,
    address: `10.${(k >> 16) & 255}.${(k >> 8) & 255}.${k & 255}`,
    port: 20_000 + (k % 20_000),
    tags,
    createIndex,
  });
}
