import type { ConsulOptions, RegistryClient } from '@roundhouse/agent-sdk/internal';

import { createAdmin } from './admin/admin.ts';
import { formatAuthority } from './config/address.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { createExchanges } from './exchange/exchange.ts';
import { createTrust } from './exchange/trusted-proxies.ts';
import { createHealth } from './health/health.ts';
import { createWireEngine } from './http1/wire-engine.ts';
import { createAnnouncement } from './lifecycle/announcement.ts';
import { createHttpDate, createRequestIds, monotonicNow, sleep } from './lifecycle/clock.ts';
import { createParts, partUntilStopped } from './lifecycle/parts.ts';
import { createSessionTokens } from './lifecycle/session-tokens.ts';
import type { BoundAddress, Engine, EngineOptions } from './listeners/engine.ts';
import { createNodeHttpEngine } from './node-http/node-http-engine.ts';
import { createChangeLog } from './registry/change-log.ts';
import { followConsul } from './registry/follow-consul.ts';
import { createGuardedLookup } from './registry/guarded-lookup.ts';
import { keepTable } from './registry/kept-table.ts';
import { localAddressPolicy } from './registry/local-address-policy.ts';
import { createRegistry, type Registry } from './registry/registry.ts';
import { readStatus } from './status/read-status.ts';
import { createAccessLog, writesAccessLog } from './telemetry/access-log.ts';
import type { Log, LogFormat } from './telemetry/log.ts';
import type { LogSink } from './telemetry/log-sink.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createRequestSeries } from './telemetry/request-series.ts';
import { createTableLog } from './telemetry/table-log.ts';
import { createPoolKeeper } from './upstreams/pool-keeper.ts';

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
   * Not ready any more → time for an outer balancer to notice → no new connections, `Connection: close` → exchanges finish, or
   * are cut at the deadline → watches, pools, admin listener end. Called again it returns the same promise. Never rejects.
   */
  stop(): Promise<void>;
}

/** How long the traffic listener waits for the registry's first answers before it opens anyway. */
const firstSyncMs = 1_000;

/** The engines by their configured names. */
const engines: Readonly<Record<GatewayConfig['engine'], (options: EngineOptions) => Engine>> = {
  wire: createWireEngine,
  'http-proxy': createNodeHttpEngine,
};

/** Builds every part, then starts one after the other. Rejects, with nothing left behind, when a listener can't open. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, client, log, version } = options;
  const clock = { now: monotonicNow, random: Math.random };
  const parts = createParts((part, err) => {
    log.error(`A mistake of the gateway itself; its part "${part}" did not stop as it should.`, { err });
  });

  const addresses = (listeners: readonly BoundAddress[]) =>
    localAddressPolicy(config.addresses, client.address, listeners);
  const registry = createRegistry({
    config,
    ...followConsul(client, config.guard),
    addresses: addresses([]),
    ...clock,
  });
  const lookup = createGuardedLookup({ judge: registry.judgeResolved });
  const announcement = createAnnouncement({ name: config.announce, consul: options.consul, version, log });
  const health = createHealth({
    services: {
      get: (service) => registry.service(service),
      names: () => registry.services.map(({ service }) => service),
    },
    gateway: () => announcement.id ?? config.pseudonym,
    identity: () => config.identity,
    lookup,
    log,
    ...clock,
  });
  const saved = keepTable(registry, { path: config.savedTable, log, wallClock: Date.now });

  const requests = createRequestSeries();
  const accessLog = writesAccessLog(config.log)
    ? createAccessLog({ ...options.accessLog, now: Date.now })
    : undefined;
  const engine = engines[config.engine]({
    exchanges: createExchanges({
      resolve: (host, path) => registry.resolve(host, path),
      routingStatus: (service, id) => health.routingStatus(service, id),
      pseudonym: config.pseudonym,
      trusts: createTrust(config.trustedProxies),
      forwardedFields: config.forwardedFields,
      identity: config.identity,
      sessionToken: createSessionTokens(config.stickySecret),
      observe: (record) => {
        requests.record(record);
        accessLog?.(record);
      },
      httpDate: createHttpDate(),
      newRequestId: createRequestIds(),
      ...clock,
    }),
    limits: config.limits,
    poolIdleMs: config.poolIdleMs,
    replayBytes: config.retry.replayBytes,
    lookup,
    onFault: (err) => {
      log.error('A mistake of the gateway itself; one exchange was lost.', { err });
    },
  });
  const pools = createPoolKeeper(() => {
    engine.closeIdleExcept(registry.listedEndpoints());
  });

  const status = readStatus({
    registry,
    engine,
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
    token: config.admin.token === 'off' ? undefined : config.admin.token,
    metrics,
    log,
  });

  registry.subscribe(createChangeLog(log, tableLog));
  registry.subscribe(pools);
  registry.subscribe(health);
  const save = (): void => {
    saved.changed();
  };
  registry.subscribe({ serviceChanged: save, tableChanged: save, watchChanged: save });
  registry.subscribe(metrics);

  await parts.start(
    partUntilStopped('registry and health', (signal) =>
      Promise.all([registry.run(signal, health.probe), health.run(signal)]),
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
    start: () => engine.listen(config.listen),
    stop: async () => {
      const { timeoutMs } = config.drain;
      const cut = await engine.stop(timeoutMs);
      if (cut > 0) log.warn(`Cut ${cut} exchanges that were not finished after ${timeoutMs} ms.`);
      pools.stop();
    },
  });
  registry.setAddresses(addresses([address, adminAddress]));
  await parts.start({
    name: 'announcement',
    start: () => announcement.start(address.port),
    stop: async () => {
      engine.disableKeepAlive();
      await Promise.all([announcement.stop(), sleep(config.drain.noticeMs)]);
    },
  });
  parts.started();
  log.info(
    `Listening on ${show(address)}, admin on ${show(adminAddress)}, following Consul at ${client.description}.`,
  );

  const stop = async (): Promise<void> => {
    log.info(`Stopping: not ready any more; new connections are taken for ${config.drain.noticeMs} ms more.`);
    await parts.stop();
    log.info('Stopped.');
  };
  let stopping: Promise<void> | undefined;
  return { address, adminAddress, registry, stop: () => (stopping ??= stop()) };
}

function show({ host, port }: BoundAddress): string {
  return formatAuthority(host, port);
}
