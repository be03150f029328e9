import { buildGateway, type GatewayOptions, type GatewayParts } from './build-gateway.ts';
import { formatAuthority } from './config/address.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import type { ConfigAttempt, ConfigSource } from './config/config-control.ts';
import { createLiveConfig, type LiveConfig } from './config/live-config.ts';
import { sleep } from './lifecycle/clock.ts';
import { createParts, partUntilStopped, type Parts } from './lifecycle/parts.ts';
import type { BoundAddress } from './listeners/engine.ts';
import type { Registry } from './registry/registry.ts';

/** A gateway that serves. Ends by `stop()`. */
export interface Gateway {
  readonly address: BoundAddress;
  readonly adminAddress: BoundAddress;
  readonly registry: Registry;
  /**
   * Takes over another configuration while requests go on: routes, services with their policies and checks, timeouts, retries,
   * limits, trusted proxies, and what else needs no restart. Checked as a whole first.
   */
  reconfigure(config: GatewayConfig): Promise<ConfigAttempt>;
  /** The same with what the configuration's source has now. */
  reload(trigger: 'signal'): Promise<ConfigAttempt>;
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
  const { config, client, log } = options;
  const live = createLiveConfig(config);
  const parts = createParts((part, err) => {
    log.error(`A mistake of the gateway itself; its part "${part}" did not stop as it should.`, { err });
  });
  const built = buildGateway(options, live, () => parts.phase);
  const { registry, health, traffic, control } = built;
  live.follow((next) => registry.provision(next));
  live.follow(() => ({
    swap: () => {
      health.reconfigure();
    },
    discard: () => undefined,
  }));
  live.follow((next) => traffic.provision(next));
  const { address, adminAddress } = await startParts(parts, built, { live, source: options.source });
  log.info(
    `Listening on ${show(address)}, admin on ${show(adminAddress)}, following Consul at ${client.description}.`,
  );

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
    reconfigure: (next) => control.reconfigure(next),
    reload: (trigger) => control.reload(trigger),
    stop: () => (stopping ??= stop()),
  };
}

/** Starts the parts in this order; they stop in reverse. What is under a part runs as long as the part does. */
async function startParts(
  parts: Parts,
  { registry, health, saved, traffic, admin, announcement, control }: GatewayParts,
  { live, source }: { readonly live: LiveConfig; readonly source: ConfigSource | undefined },
): Promise<Pick<Gateway, 'address' | 'adminAddress'>> {
  const { listen, admin: adminListener } = live.current;
  await parts.start(
    partUntilStopped('registry and health', (signal) =>
      Promise.all([registry.run(signal, health.probeHeld), health.run(signal)]),
    ),
  );
  const adminAddress = await parts.start({
    name: 'admin listener',
    start: () => admin.listen(adminListener),
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
    start: () => traffic.engine.listen(listen),
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
  await parts.start(
    partUntilStopped('configuration', async (signal) => {
      await source?.follow(signal, async () => {
        if (live.current.configWatch === 'on') await control.reload('file');
      });
    }),
  );
  parts.started();
  return { address, adminAddress };
}

function show({ host, port }: BoundAddress): string {
  return formatAuthority(host, port);
}
