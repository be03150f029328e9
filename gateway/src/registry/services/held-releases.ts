import { type HeldProbe, HeldProber, type Instance } from '@roundhouse/agent-sdk/internal';

import type { Listeners } from '../registry-listener.ts';
import type { ServiceRuntime } from './service-runtime.ts';
import type { ServiceUpdates } from './service-updates.ts';

/** Lets held instances go before their time: those that do not answer a probe, and all of a service when the operator says so. */
export class HeldReleases {
  readonly #services: ReadonlyMap<string, ServiceRuntime>;
  readonly #updates: ServiceUpdates;
  readonly #listeners: Listeners;
  readonly #afterwards: (service: ServiceRuntime) => void;
  #prober: HeldProber | undefined;

  /** `afterwards`: called when instances of a service were let go. */
  constructor(
    services: ReadonlyMap<string, ServiceRuntime>,
    updates: ServiceUpdates,
    listeners: Listeners,
    afterwards: (service: ServiceRuntime) => void,
  ) {
    this.#services = services;
    this.#updates = updates;
    this.#listeners = listeners;
    this.#afterwards = afterwards;
  }

  /** Probes what is held from here on, until {@link HeldReleases.stop}. */
  start(probe: HeldProbe): void {
    const services = this.#services;
    this.#prober = new HeldProber({
      probe,
      onProbe: (name, key, state) => services.get(name)?.apply({ kind: 'probed', key, probe: state }),
      onDead: (name, key, reason) => {
        const service = services.get(name);
        if (service !== undefined) this.#letGo(service, [key], `it does not answer: ${reason}`);
      },
    });
  }

  /** Takes note of what is held of a service now. */
  follow({ state: { service, held } }: ServiceRuntime): void {
    this.#prober?.follow(service, held.rows);
  }

  /** Ids of the instances that were let go; undefined for a service that is not followed. */
  release(name: string): readonly string[] | undefined {
    const service = this.#services.get(name);
    if (service === undefined) return undefined;
    const keys = [...service.state.held.rows.keys()];
    return this.#letGo(service, keys, 'released by the operator').map(({ id }) => id);
  }

  async stop(): Promise<void> {
    await this.#prober?.stop();
  }

  #letGo(service: ServiceRuntime, keys: readonly string[], reason: string): readonly Instance[] {
    const { held } = service.state;
    const instances = keys.flatMap((key) => held.rows.get(key)?.instance ?? []);
    if (instances.length === 0) return [];
    this.#listeners.tell('instancesLetGo', { service: service.state.service, instances, reason });
    this.#updates.apply(service, { kind: 'let_go', keys });
    this.#afterwards(service);
    return instances;
  }
}
