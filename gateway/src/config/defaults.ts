import { defaultUpstreamPolicy } from '@roundhouse/agent-sdk/internal';

import type { GatewayConfig } from './gateway-config.ts';

/**
 * The configuration without any setting. Frozen; `docs/configuration.md` is tested against it.
 *
 * Why these: `poolIdleMs` lies below the 5 s after which a bare Node server closes an idle connection, so that the pool never
 * races it; `keepAliveMs` lies above the 60 s of the usual outer balancer; `connectMs` leaves room for one lost SYN;
 * ejection starts short because a refused connection ejects at once and a restarted instance is back within seconds;
 * the retry budget is Finagle's (20 % and 10/s).
 */
export const defaults: GatewayConfig = deepFreeze<GatewayConfig>({
  announce: 'roundhouse',
  pseudonym: 'roundhouse',
  listen: { host: '0.0.0.0', port: 8080 },
  admin: { host: '127.0.0.1', port: 8081, token: 'off' },
  engine: 'wire',
  routes: [
    {
      prefix: '/api',
      host: undefined,
      service: 'api-service',
      strip: undefined,
      timeouts: {},
      retry: {},
      hedgeAfterMs: undefined,
      source: 'default',
    },
    {
      prefix: '/',
      host: undefined,
      service: 'webapp-service',
      strip: undefined,
      timeouts: {},
      retry: {},
      hedgeAfterMs: undefined,
      source: 'default',
    },
  ],
  services: [],
  trustedProxies: [],
  forwardedFields: 'x-forwarded',
  limits: {
    requestHeadMs: 10_000,
    keepAliveMs: 75_000,
    headBytes: 16_384,
    headLines: 100,
    bodyBytes: 0,
    connections: 20_000,
  },
  timeouts: { connectMs: 2_000, responseHeadMs: 60_000, idleMs: 300_000, tryMs: 0, totalMs: 0 },
  poolIdleMs: 4_000,
  retry: {
    attempts: 3,
    statuses: [],
    nonIdempotent: 'never',
    budgetRatio: 0.2,
    budgetFloorPerSecond: 10,
    replayBytes: 65_536,
  },
  hedgeAfterMs: 0,
  ...defaultUpstreamPolicy,
  hash: { kind: 'client-ip' },
  sticky: 'off',
  stickySecret: 'random',
  maxRetries: 0,
  checks: { kind: 'off', path: '/', intervalMs: 5_000, timeoutMs: 2_000, rise: 2, fall: 3 },
  identity: 'verify',
  addresses: { allow: [], deny: [], loopback: 'auto' },
  guard: { maxRemovedRatio: 0.5, holdMs: 30_000 },
  savedTable: 'off',
  drain: { noticeMs: 500, timeoutMs: 20_000 },
  log: { level: 'info', access: 'on' },
});

/** Freezes plain data all the way down, and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
