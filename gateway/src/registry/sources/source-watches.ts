import type {
  Demand,
  HoldPolicy,
  Snapshot,
  SnapshotChange,
  WatchEvent,
} from '@roundhouse/agent-sdk/internal';

import type { RegistrySource } from './registry-source.ts';

export interface SourceWatchesOptions {
  readonly sources: readonly RegistrySource[];
  readonly holdPolicy: () => HoldPolicy;
  readonly demand: (service: string) => Demand;
  /** Takes an event in; the watch goes on when it has resolved. Must not reject. */
  readonly onEvent: (
    source: RegistrySource,
    service: string,
    event: WatchEvent<SnapshotChange>,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** The watches of services: each followed service is watched in every source. */
export class SourceWatches {
  readonly #options: SourceWatchesOptions;
  readonly #ends = new Map<string, AbortController>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: SourceWatchesOptions) {
    this.#options = options;
  }

  /** Services can be followed from here on, until the signal aborts. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
  }

  has(service: string): boolean {
    return this.#ends.has(service);
  }

  /** Follows a service, unless it is followed already or following has not started. `seeds`: snapshots that are used already, by source. */
  follow(service: string, seeds: ReadonlyMap<string, Snapshot> = new Map()): void {
    if (this.#signal === undefined || this.#ends.has(service)) return;
    const end = new AbortController();
    this.#ends.set(service, end);
    const signal = AbortSignal.any([this.#signal, end.signal]);
    for (const source of this.#options.sources) {
      const watch = this.#watch(source, service, { signal, seed: seeds.get(source.name) });
      this.#running.add(watch);
      void watch.finally(() => this.#running.delete(watch));
    }
  }

  leave(service: string): void {
    this.#ends.get(service)?.abort();
    this.#ends.delete(service);
  }

  /** Resolves when no watch is left. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #watch(
    source: RegistrySource,
    service: string,
    { signal, seed }: { readonly signal: AbortSignal; readonly seed: Snapshot | undefined },
  ): Promise<void> {
    const { holdPolicy, onEvent } = this.#options;
    const demand = this.#options.demand(service);
    for await (const event of source.watchService(service, { signal, seed, holdPolicy, demand })) {
      if (signal.aborted) return;
      await onEvent(source, service, event, signal);
    }
  }
}
