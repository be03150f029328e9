import type { ConsulOptions, RegistryClient } from '@roundhouse/agent-sdk/internal';

import { createAdmin } from './admin/admin.ts';
import { formatAuthority } from './config/address.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { createLiveConfig, reconfigurationText, type Reconfiguration } from './config/live-config.ts';
import { createHealth } from './health/health.ts';
import { createAnnouncement } from './lifecycle/announcement.ts';
import { monotonicNow, sleep } from './lifecycle/clock.ts';
import { createParts, partUntilStopped } from './lifecycle/parts.ts';
import type { BoundAddress } from './listeners/engine.ts';
import { createChangeLog } from './registry/change-log.ts';
import { createGuardedLookup } from './registry/addresses/guarded-lookup.ts';
import { localAddressPolicy } from './registry/addresses/local-address-policy.ts';
import { keepTable } from './registry/persistence/table-saver.ts';
import { createRegistry, type Registry } from './registry/registry.ts';
import { createConsulSource } from './registry/sources/consul.ts';
import { readStatus } from './status/read-status.ts';
import { createAccessLog, writesAccessLog } from './telemetry/access-log.ts';
import type { Log, LogFormat } from './telemetry/log.ts';
import type { LogSink } from './telemetry/log-sink.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createRequestSeries } from './telemetry/request-series.ts';
import { createTableLog } from './telemetry/table-log.ts';
import { createTraffic } from './traffic.ts';

/** What a gateway is built from. The caller owns client, log and sink, and ends them after the gateway. */
export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly client: RegistryClient;
  /** How the gateway's own registration reaches Consul; the environment's `CONSUL_*` fill in what is missing. */
  readonly consul: ConsulOptions;
  readonly log: Log;
  readonly accessLog: { readonly sink: LogSink; readonly format: LogFormat };
  readonly version: string;
}

/** A gateway that serves. Ends by `stop()`. */
export interface Gateway {
  readonly address: BoundAddress;
  readonly adminAddress: BoundAddress;
  readonly registry: Registry;
  /**
   * Takes over another configuration while requests go on: routes, services with their policies and checks, timeouts, retries,
   * limits, trusted proxies, and what else needs no restart. Checked as a whole first. See {@link Reconfiguration}.
   */
  reconfigure(config: GatewayConfig): Promise<Reconfiguration>;
  /**
   * Not ready any more → time for an outer balancer to notice → no new connections, `Connection: close` → exchanges finish, or
   * are cut at the deadline → watches, pools, admin listener end. Called again it returns the same promise. Never rejects.
   */
  stop(): Promise<void>;
}

/** How long the traffic listener waits for the registry's first answers before it opens anyway. */
const firstSyncMs = 1_000;

/** Builds every part, then starts one after the other. Rejects, with nothing left behind, when a listener can't open. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, client, log, version } = options;
  const live = createLiveConfig(config);
  const clock = { now: monotonicNow, random: Math.random };
  const parts = createParts((part, err) => {
    log.error(`A mistake of the gateway itself; its part "${part}" did not stop as it should.`, { err });
  });

  const registry = createRegistry({
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
  const saved = keepTable(registry, { path: config.savedTable, log, wallClock: Date.now });

  const requests = createRequestSeries();
  const accessLog = createAccessLog({ ...options.accessLog, now: Date.now });
  const traffic = createTraffic({
    config,
    registry,
    health,
    lookup,
    observe: (record) => {
      requests.record(record);
      if (writesAccessLog(live.current.log)) accessLog(record);
    },
    log,
  });

  const status = readStatus({
    registry,
    engine: traffic.engine,
    health,
    phase: () => parts.phase,
    now: monotonicNow,
    startedMs: monotonicNow(),
    version,
    consul: client.description,
  });
  const tableLog = createTableLog(log);
  const metrics = createMetrics({
    scope: 'process',
    requests,
    status,
    stalls: health.loop,
    droppedLogLines: () => options.accessLog.sink.dropped(),
    tableChanges: () => tableLog.changes(),
  });
  const admin = createAdmin({
    status,
    actions: { release: (service) => registry.release(service) },
    token: () => (live.current.admin.token === 'off' ? undefined : live.current.admin.token),
    metrics,
    log,
  });

  registry.subscribe(createChangeLog(log, tableLog));
  registry.subscribe(health);
  const save = (): void => {
    saved.changed();
  };
  registry.subscribe({ serviceChanged: save, tableChanged: save, watchChanged: save });
  registry.subscribe(metrics);

  await parts.start(
    partUntilStopped('registry and health', (signal) =>
      Promise.all([registry.run(signal, health.probeHeld), health.run(signal)]),
    ),
  );
  const adminAddress = await parts.start({
    name: 'admin listener',
    start: () => admin.listen(config.admin),
    stop: () => admin.stop(),
  });
  await parts.start({
    name: 'saved table',
    start: async () => {
      await Promise.race([registry.synced, sleep(firstSyncMs)]);
      await saved.adopt();
    },
    stop: () => saved.stop(),
  });
  const address = await parts.start({
    name: 'traffic listener',
    start: () => traffic.engine.listen(config.listen),
    stop: () => traffic.stop(live.current.drain.timeoutMs),
  });
  registry.setListeners([address, adminAddress]);
  await parts.start({
    name: 'announcement',
    start: () => announcement.start(address.port),
    stop: async () => {
      traffic.engine.disableKeepAlive();
      await Promise.all([announcement.stop(), sleep(live.current.drain.noticeMs)]);
    },
  });
  parts.started();
  log.info(
    `Listening on ${show(address)}, admin on ${show(adminAddress)}, following Consul at ${client.description}.`,
  );

  live.follow((next) => registry.reconfigure(next));
  live.follow(() => {
    health.reconfigure();
  });
  live.follow((next) => {
    traffic.apply(next);
  });
  const stop = async (): Promise<void> => {
    log.info(
      `Stopping: not ready any more; new connections are taken for ${live.current.drain.noticeMs} ms more.`,
    );
    await parts.stop();
    log.info('Stopped.');
  };
  let stopping: Promise<void> | undefined;
  return {
    address,
    adminAddress,
    registry,
    reconfigure: async (next) => {
      const result = await live.reconfigure(next);
      log[result.kind === 'applied' ? 'info' : 'error'](reconfigurationText(result));
      return result;
    },
    stop: () => (stopping ??= stop()),
  };
}

function show({ host, port }: BoundAddress): string {
  return formatAuthority(host, port);
}
