import type { UpstreamPolicy } from '@roundhouse/agent-sdk/internal';

import type { ServiceSettings } from '../config/gateway-config.ts';

/** The part of a service's settings that its upstream follows. */
export function policyOf(settings: ServiceSettings): UpstreamPolicy {
  const { balance, slowStartMs, maxConnections, queue, maxRequests, panicRatio, ejection, outliers } =
    settings;
  return { balance, slowStartMs, maxConnections, queue, maxRequests, panicRatio, ejection, outliers };
}

/** Whether two settings mean the same. They are plain values with their keys in one order. */
export function sameSettings(a: ServiceSettings, b: ServiceSettings): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
