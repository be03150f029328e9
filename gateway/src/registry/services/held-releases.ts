import {
  createHeldProber,
  type HeldProbe,
  type HeldProber,
  type Instance,
} from '@roundhouse/agent-sdk/internal';

import type { Listeners } from '../registry-listener.ts';
import type { ServiceRuntime } from './service-runtime.ts';
import type { ServiceUpdates } from './service-updates.ts';

export interface HeldReleasesParts {
  readonly services: ReadonlyMap<string, ServiceRuntime>;
  readonly updates: ServiceUpdates;
  readonly listeners: Pick<Listeners, 'instancesLetGo'>;
  /** Called when instances of a service were let go. */
  readonly afterwards: (service: ServiceRuntime) => void;
}

/** Lets held instances go before their time: those that do not answer a probe, and all of a service when the operator says so. */
export class HeldReleases {
  readonly #parts: HeldReleasesParts;
  #prober: HeldProber | undefined;

  constructor(parts: HeldReleasesParts) {
    this.#parts = parts;
  }

  /** Probes what is held from here on, until {@link HeldReleases.stop}. */
  start(probe: HeldProbe): void {
    const { services } = this.#parts;
    this.#prober = createHeldProber({
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
    const service = this.#parts.services.get(name);
    if (service === undefined) return undefined;
    const keys = [...service.state.held.rows.keys()];
    return this.#letGo(service, keys, 'released by the operator').map(({ id }) => id);
  }

  async stop(): Promise<void> {
    await this.#prober?.stop();
  }

  #letGo(service: ServiceRuntime, keys: readonly string[], reason: string): readonly Instance[] {
    const { updates, listeners, afterwards } = this.#parts;
    const instances = service.heldInstances(keys);
    if (instances.length === 0) return [];
    listeners.instancesLetGo({ service: service.state.service, instances, reason });
    updates.apply(service, { kind: 'let_go', keys });
    afterwards(service);
    return instances;
  }
}
