import type { ConsulOptions, RegistryClient } from '@roundhouse/agent-sdk/internal';

import { createAdmin, type Admin } from './admin/admin.ts';
import { attemptText } from './config/attempt-text.ts';
import { type ConfigAttempt, ConfigControl, type ConfigSource } from './config/config-control.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import type { LiveConfig } from './config/live-config.ts';
import { createHealth, type Health } from './health/health.ts';
import { createAnnouncement, type Announcement } from './lifecycle/announcement.ts';
import { monotonicNow, sleep } from './lifecycle/clock.ts';
import { descriptorBudget } from './lifecycle/descriptors.ts';
import type { Parts } from './lifecycle/parts.ts';
import { createGuardedLookup } from './registry/addresses/guarded-lookup.ts';
import { localAddressPolicy } from './registry/addresses/local-address-policy.ts';
import { createTableSaver, type TableSaver } from './registry/persistence/table-saver.ts';
import { Registry } from './registry/registry.ts';
import { createConsulSource } from './registry/sources/consul.ts';
import { explain } from './status/explain.ts';
import { readStatus } from './status/read-status.ts';
import { createAccessLog, writesAccessLog } from './telemetry/access-log.ts';
import type { Log, LogFormat } from './telemetry/log.ts';
import type { LogSink } from './telemetry/log-sink.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createRequestSeries } from './telemetry/request-series.ts';
import { createRegistryLog } from './telemetry/registry-log.ts';
import { createTableJournal } from './telemetry/table-journal.ts';
import { createShortages } from './telemetry/shortages.ts';
import { createTraffic, type Traffic } from './traffic.ts';

/** What a gateway is built from. The caller owns client, log and sink, and ends them after the gateway. */
export interface GatewayOptions {
  readonly config: GatewayConfig;
  /** What a reload reads; undefined: the program gives other configurations itself, by `reconfigure`. */
  readonly source?: ConfigSource;
  readonly client: RegistryClient;
  /** How the gateway's own registration reaches Consul; the environment's `CONSUL_*` fill in what is missing. */
  readonly consul: ConsulOptions;
  readonly log: Log;
  readonly accessLog: { readonly sink: LogSink; readonly format: LogFormat };
  readonly version: string;
  /** File descriptors that the process may have; default Infinity: no limit. */
  readonly descriptors?: number;
}

/** The parts of a gateway, wired and not started. */
export interface GatewayParts {
  readonly registry: Registry;
  readonly health: Health;
  readonly saved: TableSaver;
  readonly traffic: Traffic;
  readonly admin: Admin;
  readonly announcement: Announcement;
  readonly control: ConfigControl;
}

/**
 * Wires the parts of a gateway, each with those above it: what is known (registry, health), what serves (traffic), what shows
 * (status, metrics, admin), and the followers of the registry's changes.
 */
export function buildGateway(
  options: GatewayOptions,
  live: LiveConfig,
  phase: () => Parts['phase'],
): GatewayParts {
  const { config, client, log, version, descriptors = Infinity } = options;
  const clock = { now: monotonicNow, random: Math.random };
  const control = createControl(options, live);
  const registry = new Registry({
    config,
    sources: [createConsulSource(client)],
    addressPolicy: (rules, listeners) => localAddressPolicy(rules, client.address, listeners),
    ...clock,
  });
  const lookup = createGuardedLookup({ judge: registry.judgeResolved });
  const announcement = createAnnouncement({ name: config.announce, consul: options.consul, version, log });
  const health = createHealth({
    services: {
      get: (service) => registry.service(service),
      names: () => registry.services.map(({ service }) => service),
    },
    gateway: () => announcement.id ?? live.current.pseudonym,
    identity: () => live.current.identity,
    lookup,
    log,
    ...clock,
  });
  const saved = createTableSaver(registry, { path: config.savedTable, ...config.discovery, log });

  const requests = createRequestSeries();
  const accessLog = createAccessLog({ ...options.accessLog, now: Date.now });
  const shortages = createShortages(log, monotonicNow);
  const traffic = createTraffic({
    ...{ config, registry, health, lookup, shortages, descriptors, log },
    observe: (record) => {
      requests.record(record);
      if (writesAccessLog(live.current.log)) accessLog(record);
    },
  });

  const status = readStatus({
    registry,
    engine: traffic.engine,
    health,
    phase,
    now: monotonicNow,
    startedMs: monotonicNow(),
    version,
    consul: client.description,
  });
  const tableJournal = createTableJournal(() => (live.isSwapping ? 'configuration' : 'registry'), Date.now);
  const registryLog = createRegistryLog(log, tableJournal.note);
  const metrics = createMetrics({
    scope: 'process',
    requests,
    status,
    stalls: health.loop,
    memory: traffic.memory,
    droppedLogLines: () => options.accessLog.sink.dropped(),
    shortages: shortages.counts,
    tableChanges: () => registryLog.changes(),
    reloads: () => control.counts(),
  });
  const admin = createAdmin({
    status,
    actions: registry,
    config: { control, table: tableJournal },
    explain: (method, url) => explain({ registry, steps: traffic.steps }, method, url),
    guard: () => live.current.admin,
    connections: descriptorBudget(descriptors).admin,
    onCrowding: shortages.adminCrowded,
    metrics,
    log,
  });

  const save = (): void => {
    saved.changed();
  };
  const saves = { serviceChanged: save, tableChanged: save, watchChanged: save };
  for (const follower of [registryLog, health, saves, metrics]) registry.subscribe(follower);
  return { registry, health, saved, traffic, admin, announcement, control };
}

function createControl({ source, log }: GatewayOptions, live: LiveConfig): ConfigControl {
  return new ConfigControl({
    ...{ live, source, now: monotonicNow, wallClock: Date.now, sleep },
    onAttempt: (attempt, warnings) => {
      logAttempt(log, attempt);
      for (const warning of warnings) log.warn(warning);
    },
  });
}

/** A file that is the same again, or was only touched, is not worth a line. */
function logAttempt(log: Log, attempt: ConfigAttempt): void {
  const { outcome, trigger } = attempt;
  if (outcome === 'unchanged' && trigger === 'file') return;
  const level =
    outcome === 'invalid' || outcome === 'failed' ? 'error' : outcome === 'pinned' ? 'warn' : 'info';
  log[level](attemptText(attempt), { trigger });
}
