import type { GatewayStatus, GatewaySummary } from '../status.ts';

/** A summary of a gateway that has nothing to do. */
export const idleSummary: GatewaySummary = {
  name: 'roundhouse',
  version: 'test',
  engine: 'wire',
  consul: 'http://127.0.0.1:8500',
  phase: 'serving',
  uptimeSeconds: 0,
  routes: 0,
  services: 0,
  refusedServices: [],
  notices: [],
  clientConnections: 0,
  exchanges: 0,
  upstreamConnections: 0,
  ready: { ready: true, detail: 'ready' },
  instances: 0,
};

/** A status of nothing, but for what the test says. */
export function fakeStatus(status: Partial<GatewayStatus> = {}): GatewayStatus {
  return {
    routes: () => [],
    services: () => [],
    readiness: () => ({ ready: true, detail: 'ready' }),
    summary: () => idleSummary,
    ...status,
  };
}
