import { networkInterfaces } from 'node:os';

import { registerService, type ServiceHandle } from '@roundhouse/agent-sdk';
import type { ConsulOptions, RegistryClient } from '@roundhouse/agent-sdk/internal';

import { createAdmin } from './admin/admin.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import type { BoundAddress, Engine, EngineOptions } from './listeners/engine.ts';
import { createNodeHttpEngine } from './node-http/node-http-engine.ts';
import { createWireEngine } from './http1/wire-engine.ts';
import { createExchanges } from './exchange/exchange.ts';
import type { ExchangeObserver } from './exchange/record.ts';
import { createTrust } from './exchange/trusted-proxies.ts';
import { readStatus } from './status/read-status.ts';
import { createHealth } from './health/health.ts';
import { createHttpDate, createRequestIds, monotonicNow, sleep } from './lifecycle/clock.ts';
import { createSessionTokens } from './lifecycle/session-tokens.ts';
import { createAddressPolicy, type AddressPolicy } from './registry/address-policy.ts';
import { createChangeLog } from './registry/change-log.ts';
import { followConsul } from './registry/follow-consul.ts';
import { createGuardedLookup } from './registry/guarded-lookup.ts';
import { keepTable } from './registry/kept-table.ts';
import { createRegistry, type Registry } from './registry/registry.ts';
import { createAccessLog, writesAccessLog } from './telemetry/access-log.ts';
import type { Log, LogFormat } from './telemetry/log.ts';
import type { LogSink } from './telemetry/log-sink.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createTableLog } from './telemetry/table-log.ts';

/** What a gateway is built from. The caller owns client, log and sink, and ends them after the gateway. */
export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly client: RegistryClient;
  /** How the gateway's own registration reaches Consul; the environment's `CONSUL_*` where it says nothing. */
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

/** How often the pools of endpoints that are gone are looked for, after a change … */
const retainDelayMs = 250;
/** … and so many times later than it took the last time: with thousands of instances every look takes milliseconds. */
const retainPause = 100;

/** Builds everything, follows the registry and listens. Rejects, with nothing left behind, when a listener can't open. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, client, log, version } = options;
  const startedMs = monotonicNow();
  let phase: 'starting' | 'serving' | 'draining' = 'starting';

  const observers: ExchangeObserver[] = [];
  const observe: ExchangeObserver = (record) => {
    for (const observer of observers) observer(record);
  };
  const tableLog = createTableLog({
    log,
    changed: (changes) => {
      metrics.tableChanged(changes);
    },
  });
  let policy = addressPolicy(options, []);
  const registry = createRegistry({
    config,
    ...followConsul(client, config.guard),
    addresses: policy,
    now: monotonicNow,
    random: Math.random,
  });
  registry.subscribe(createChangeLog(log, tableLog));
  registry.subscribe({
    serviceChanged: (change) => {
      pools.schedule();
      health.serviceChanged(change);
      saved.changed();
    },
    tableChanged: () => {
      saved.changed();
    },
    watchChanged: () => {
      saved.changed();
    },
  });
  const lookup = createGuardedLookup({
    judge: (address, hostname) => {
      const { source, ports } = registry.hostFacts(hostname);
      return policy.judgeResolved(address, ports, source);
    },
  });
  let announced: Promise<ServiceHandle | undefined> = Promise.resolve(undefined);
  let name = config.pseudonym;
  const health = createHealth({
    services: {
      get: (service) => registry.service(service),
      names: () => registry.services.map(({ service }) => service),
    },
    gateway: () => name,
    identity: () => config.identity,
    lookup,
    log,
    now: monotonicNow,
    random: Math.random,
  });
  const saved = keepTable(registry, { path: config.savedTable, log, wallClock: Date.now });
  const engine = engines[config.engine]({
    exchanges: createExchanges({
      resolve: (host, path) => registry.resolve(host, path),
      routingStatus: (service, id) => health.routingStatus(service, id),
      pseudonym: config.pseudonym,
      trusts: createTrust(config.trustedProxies),
      forwardedFields: config.forwardedFields,
      identity: config.identity,
      sessionToken: createSessionTokens(config.stickySecret),
      observe,
      now: monotonicNow,
      random: Math.random,
      httpDate: createHttpDate(),
      newRequestId: createRequestIds(),
    }),
    limits: config.limits,
    poolIdleMs: config.poolIdleMs,
    replayBytes: config.retry.replayBytes,
    lookup,
    onFault: (err) => {
      log.error('A mistake of the gateway itself; one exchange was lost.', { err });
    },
  });
  const pools = poolKeeper(engine, registry);
  const status = readStatus({
    registry,
    engine,
    health,
    phase: () => phase,
    now: monotonicNow,
    startedMs,
    version,
    consul: client.description,
  });
  const metrics = createMetrics({
    scope: 'process',
    status,
    stalls: { lostMs: () => health.loop.lostMs(), takeLongestMs: () => health.loop.takeLongestMs() },
    droppedLogLines: () => options.accessLog.sink.dropped(),
  });
  observers.push(metrics.observe);
  if (writesAccessLog(config.log)) observers.push(createAccessLog({ ...options.accessLog, now: Date.now }));
  const admin = createAdmin({
    status,
    actions: { release: (service) => registry.release(service) },
    token: config.admin.token === 'off' ? undefined : config.admin.token,
    metrics,
    log,
  });

  const following = new AbortController();
  const followed = Promise.all([
    registry.run(following.signal, (...asked) => health.probe(...asked)),
    health.run(following.signal),
  ]);

  async function teardown(): Promise<void> {
    // While everything is still followed: what is no longer live is not saved.
    await saved.stop();
    following.abort();
    pools.stop();
    await Promise.allSettled([followed, admin.stop()]);
  }

  try {
    const adminAddress = await admin.listen(config.admin);
    await Promise.race([registry.synced, sleep(firstSyncMs)]);
    await saved.adopt();
    const address = await engine.listen(config.listen);
    policy = addressPolicy(options, [address, adminAddress]);
    registry.setAddresses(policy);
    phase = 'serving';
    if (config.announce !== 'off') {
      announced = announce(options, address);
      void announced.then((handle) => {
        name = handle?.id ?? name;
      });
    }
    log.info(
      `Listening on ${show(address)}, admin on ${show(adminAddress)}, following Consul at ${client.description}.`,
    );

    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      phase = 'draining';
      log.info(
        `Stopping: not ready any more; new connections are taken for ${config.drain.noticeMs} ms more.`,
      );
      engine.disableKeepAlive();
      await Promise.all([announced.then((handle) => handle?.stop()), sleep(config.drain.noticeMs)]);
      const cut = await engine.stop(config.drain.timeoutMs);
      if (cut > 0)
        log.warn(`Cut ${cut} exchanges that were not finished after ${config.drain.timeoutMs} ms.`);
      await teardown();
      log.info('Stopped.');
    };
    return { address, adminAddress, registry, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await engine.stop(0);
    await teardown();
    throw error;
  }
}

/** The engines by their configured names. */
const engines: Readonly<Record<GatewayConfig['engine'], (options: EngineOptions) => Engine>> = {
  wire: createWireEngine,
  'http-proxy': createNodeHttpEngine,
};

/** The gateway announces itself with the same SDK call as everybody else. It serves whether that works or not. */
async function announce(options: GatewayOptions, { port }: BoundAddress): Promise<ServiceHandle | undefined> {
  const { config, consul, log, version } = options;
  try {
    return await registerService({
      name: config.announce,
      port,
      version,
      consul,
      signals: 'ignore',
      gateways: 'off',
      propagationMs: 0,
      log: ({ level, message }) => {
        log[level](message);
      },
    });
  } catch (err) {
    log.error(
      `The gateway can't announce itself in Consul as "${config.announce}"; it serves all the same.`,
      { err },
    );
    return undefined;
  }
}

/** Lets the engine close pooled connections to endpoints that are gone, soon after a change and once for many. */
function poolKeeper(
  engine: Engine,
  registry: Registry,
): { readonly schedule: () => void; readonly stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let tookMs = 0;
  return {
    schedule: () => {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          const startedMs = monotonicNow();
          engine.closeIdleExcept(registry.listedEndpoints());
          tookMs = monotonicNow() - startedMs;
        },
        Math.max(retainDelayMs, retainPause * tookMs),
      ).unref();
    },
    stop: () => {
      clearTimeout(timer);
    },
  };
}

/** Which registered addresses are believed, given our own listeners. */
function addressPolicy(
  { config, client }: GatewayOptions,
  listeners: readonly BoundAddress[],
): AddressPolicy {
  const { address } = client;
  return createAddressPolicy({
    rules: config.addresses,
    consul: address.kind === 'tcp' ? address : undefined,
    listeners,
    localAddresses: Object.values(networkInterfaces()).flatMap((own) => own?.map((one) => one.address) ?? []),
  });
}

function show({ host, port }: BoundAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
