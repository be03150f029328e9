import type {
  Catalog,
  Demand,
  HoldPolicy,
  Notices,
  Snapshot,
  SnapshotChange,
  WatchEvent,
} from '@roundhouse/agent-sdk/internal';

import type { AddressSource } from '../addresses/address-policy.ts';

/**
 * Where services and their instances come from: a Consul agent, another registry, a list. The registry follows every service in all of its
 * sources and merges what they list. Sources yield plain values, so that one process can watch and feed others.
 */
export interface RegistrySource {
  /** Unique among the sources. The `cluster` of every instance, and so the first part of its key: sources never list the same key. */
  readonly name: string;
  /** How far the addresses that it lists are believed. */
  readonly trust: AddressSource;
  /** What an operator should know about the way to it. Absent: nothing ever. */
  readonly notices?: Notices;
  /** Every service that it knows, with tags. Never throws; ends with the signal. */
  watchCatalog(options: SourceWatchOptions): AsyncIterable<WatchEvent<Catalog>>;
  /**
   * The instances of a service, an empty list for one that it does not know. Each change begins where the last one ended; the first one has
   * nothing before it, or the seed. Never throws; ends with the signal.
   */
  watchService(
    service: string,
    options: SourceWatchOptions & {
      readonly seed: Snapshot | undefined;
      /** How often the gateway is asked for the service; what is asked for is followed more closely where not all can be. */
      readonly demand: Demand;
    },
  ): AsyncIterable<WatchEvent<SnapshotChange>>;
}

export interface SourceWatchOptions {
  readonly signal: AbortSignal;
  /** When removals are suspicious, for a source that can lose sight of its instances. It changes with the configuration. */
  readonly holdPolicy: () => HoldPolicy;
}
