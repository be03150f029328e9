import type { Endpoint, HeldInstance } from '@roundhouse/agent-sdk/internal';

import type { ServiceSettings } from '../config/gateway-config.ts';
import { formatHashSource } from '../config/hash-source.ts';
import type { EndpointCheck } from '../health/checks.ts';
import type { Health } from '../health/health.ts';
import type { Engine } from '../listeners/engine.ts';
import type { Registry } from '../registry/registry.ts';
import type { ServiceView } from '../registry/services/service-runtime.ts';
import { routeName } from '../routing/route.ts';
import type {
  EffectiveSettings,
  GatewayStatus,
  GatewaySummary,
  HeldStatus,
  InstanceStatusRow,
  Readiness,
  RouteStatus,
  ServiceCounts,
  ServiceStatus,
} from './status.ts';

/** What the status is read from. */
export interface StatusSources {
  readonly registry: Registry;
  readonly engine: Pick<Engine, 'name' | 'stats'>;
  readonly health: Pick<Health, 'check'>;
  readonly phase: () => GatewaySummary['phase'];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly startedMs: number;
  readonly version: string;
  /** The Consul agent that is followed, in words. */
  readonly consul: string;
}

/** See {@link GatewayStatus}. Holds nothing; nothing has to be stopped. */
export function readStatus(sources: StatusSources): GatewayStatus {
  const { registry } = sources;
  return {
    routes: () => routeRows(registry),
    services: () => registry.services.map((view) => serviceRow(view, sources)),
    service: (name) => {
      const view = registry.service(name);
      return view === undefined ? undefined : serviceRow(view, sources);
    },
    counts: () => registry.services.map((view) => serviceCounts(view, sources)),
    readiness: () => readiness(sources),
    summary: () => summary(sources),
  };
}

function summary(sources: StatusSources): GatewaySummary {
  const { registry, engine, version, consul, phase, now, startedMs } = sources;
  const { services } = registry;
  return {
    name: 'roundhouse',
    version,
    engine: engine.name,
    consul,
    phase: phase(),
    uptimeSeconds: Math.round((now() - startedMs) / 1000),
    routes:
      registry.table.routes.length +
      registry.rejected.length +
      services.reduce((sum, { invalidTags }) => sum + invalidTags.length, 0),
    services: services.length,
    refusedServices: registry.refusedServices,
    notices: registry.notices,
    ...engine.stats(),
    ready: readiness(sources),
    instances: services.reduce((sum, { upstream }) => sum + upstream.endpoints.length, 0),
  };
}

function routeRows(registry: Registry): readonly RouteStatus[] {
  const { remembered } = registry;
  return [
    ...registry.table.routes.map((route) => {
      const { host, prefix, service, strip, source, rivals = [] } = route;
      const idle = remembered.get(routeName(route));
      const state = idle === undefined ? 'active' : 'remembered';
      return { host, prefix, service, strip, source, rivals, state, reason: undefined, ...idle } as const;
    }),
    ...registry.rejected.map((claim) => {
      return { ...claim, source: 'registry', rivals: [], state: 'conflict' } as const;
    }),
    ...registry.services.flatMap(({ service, invalidTags }) =>
      invalidTags.map(({ invalid, reason }) => {
        const row = { host: undefined, prefix: invalid, service, strip: undefined, rivals: [] } as const;
        return { ...row, source: 'registry', state: 'invalid', reason } as const;
      }),
    ),
  ];
}

function serviceRow(view: ServiceView, sources: StatusSources): ServiceStatus {
  const { service, watch, snapshot, upstream, settings, invalidSettings } = view;
  return {
    service,
    registry: watch.kind,
    ageMs: ageOf(view, sources),
    message: watch.kind === 'stale' ? watch.message : undefined,
    balance: upstream.policy.balance,
    settings: effective(settings),
    invalidSettings,
    panic: upstream.panic ? 'panic' : 'calm',
    queued: upstream.queued,
    instances: { [Symbol.iterator]: () => instanceRows(view, sources) },
    quarantined: snapshot?.quarantined.map(({ node, id, reason }) => ({ node, id, reason })) ?? [],
  };
}

function ageOf({ watch }: ServiceView, { now }: StatusSources): number | undefined {
  if (watch.kind === 'stale') return now() - watch.sinceMs;
  return watch.kind === 'live' ? 0 : undefined;
}

function* instanceRows(view: ServiceView, { health, now }: StatusSources): Generator<InstanceStatusRow> {
  const held = new Map(view.held.map((row) => [row.instance.key, row]));
  for (const endpoint of view.upstream.endpoints) {
    const { instance } = endpoint;
    const check = health.check(view.service, instance);
    yield instanceRow(endpoint, heldStatus(held.get(instance.key), now()), check);
  }
}

function serviceCounts(view: ServiceView, sources: StatusSources): ServiceCounts {
  const { service, watch, snapshot, upstream, held } = view;
  const byStatus = { passing: 0, warning: 0, critical: 0, draining: 0 };
  let taking = 0;
  let ejected = 0;
  let silent = 0;
  for (const { instance, health, silence, phase } of upstream.endpoints) {
    byStatus[instance.status] += 1;
    if (silence === 'silent') silent += 1;
    else if (health.state !== 'healthy') ejected += 1;
    else if (phase === 'serving' && (instance.status === 'passing' || instance.status === 'warning'))
      taking += 1;
  }
  return {
    service,
    registry: watch.kind,
    ageMs: ageOf(view, sources),
    panic: upstream.panic ? 'panic' : 'calm',
    queued: upstream.queued,
    total: upstream.endpoints.length,
    taking,
    byStatus,
    ejected,
    silent,
    held: held.length,
    quarantined: snapshot?.quarantined.length ?? 0,
  };
}

function effective({ balance, hash, checks, ...others }: ServiceSettings): EffectiveSettings {
  return {
    ...others,
    hash: balance === 'consistent-hash' ? formatHashSource(hash) : undefined,
    checks: checks.kind === 'off' ? 'off' : checks,
  };
}

function heldStatus(row: HeldInstance | undefined, nowMs: number): HeldStatus | undefined {
  if (row === undefined) return undefined;
  const { because, sinceMs, untilMs, probe } = row;
  return {
    because,
    forMs: Math.round(nowMs - sinceMs),
    leftMs: Math.max(0, Math.round(untilMs - nowMs)),
    probe: probe.kind === 'failing' ? `failed ${probe.failures} times: ${probe.reason}` : probe.kind,
  };
}

function instanceRow(
  { instance, health, phase, silence, inFlight, total }: Endpoint,
  held: HeldStatus | undefined,
  check: EndpointCheck,
): InstanceStatusRow {
  const { id, key, address, port, status, weight, tags, meta } = instance;
  return {
    ...{ id, key, address, port, status },
    health: silence === 'silent' ? silence : health.state,
    check: check.verdict,
    checkReason: check.reason,
    phase,
    listing: held === undefined ? 'listed' : 'held',
    held,
    ...{ weight, tags, meta, inFlight, total },
  };
}

function readiness({ registry, phase }: StatusSources): Readiness {
  if (phase() === 'draining') return { ready: false, detail: 'draining' };
  const waiting = registry.waitingFor();
  const { catalog } = registry;
  const why = catalog.kind === 'stale' ? ` (${catalog.message})` : '';
  if (!registry.areClaimsKnown && waiting.length === 0)
    return { ready: false, detail: `waiting for the catalog of services${why}` };
  if (waiting.length > 0)
    return { ready: false, detail: `waiting for the first answer on ${waiting.join(', ')}${why}` };

  if (phase() === 'starting') return { ready: false, detail: 'starting: not listening yet' };
  const stale = registry.services.filter((service) => service.watch.kind === 'stale');
  if (stale.length === 0) return { ready: true, detail: 'ready' };
  return {
    ready: true,
    detail: `ready; serving last known instances of ${stale.map((s) => s.service).join(', ')}`,
  };
}
