import type { GatewayStatus, GatewaySummary, ServiceCounts, ServiceStatus } from '../status.ts';

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

/** The figures of a service whose rows are given. */
function countsOf({
  service,
  registry,
  ageMs,
  panic,
  queued,
  instances,
  quarantined,
}: ServiceStatus): ServiceCounts {
  const rows = [...instances];
  const withStatus = (status: string): number => rows.filter((row) => row.status === status).length;
  return {
    ...{ service, registry, ageMs, panic, queued },
    total: rows.length,
    taking: rows.filter(
      ({ phase, health, status }) =>
        phase === 'serving' && health === 'healthy' && (status === 'passing' || status === 'warning'),
    ).length,
    byStatus: {
      passing: withStatus('passing'),
      warning: withStatus('warning'),
      critical: withStatus('critical'),
      draining: withStatus('draining'),
    },
    ejected: rows.filter(({ health }) => health === 'ejected' || health === 'probation').length,
    silent: rows.filter(({ health }) => health === 'silent').length,
    held: rows.filter(({ listing }) => listing === 'held').length,
    quarantined: quarantined.length,
  };
}

/** A status of nothing, but for what the test says; one service and the figures follow from the services. */
export function fakeStatus(status: Partial<GatewayStatus> = {}): GatewayStatus {
  const services = status.services ?? (() => []);
  return {
    routes: () => [],
    services,
    service: (name) => services().find(({ service }) => service === name),
    counts: () => services().map(countsOf),
    readiness: () => ({ ready: true, detail: 'ready' }),
    summary: () => idleSummary,
    ...status,
  };
}
