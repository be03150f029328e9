import type {
  Catalog,
  InvalidRouteTag,
  Snapshot,
  SnapshotChange,
  Upstream,
  WatchEvent,
} from '@roundhouse/agent-sdk/internal';

import type { GatewayConfig, ServiceSettings } from '../config/gateway-config.ts';
import type { Destination } from '../exchange/destination.ts';
import type { RejectedClaim } from '../routing/ownership.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { AddressPolicy } from './address-policy.ts';
import type { HeldInstance } from './held-instances.ts';
import type { Probe } from '../health/probe.ts';
import type { InvalidSetting } from './meta-settings.ts';
import type { Subscribe } from './registry-listener.ts';
import type { SavedTable } from './saved-table-format.ts';
import type { WatchState } from './watch-state.ts';

/** One service as the gateway knows it. */
export interface ServiceView {
  readonly service: string;
  readonly upstream: Upstream;
  /** What is believed; undefined before the first answer. */
  readonly snapshot: Snapshot | undefined;
  readonly watch: WatchState;
  readonly settings: ServiceSettings;
  readonly invalidTags: readonly InvalidRouteTag[];
  readonly invalidSettings: readonly InvalidSetting[];
  /** Those of the snapshot's instances that the registry no longer lists, and what is known of them. */
  readonly held: readonly HeldInstance[];
}

/** The part of the configuration that the registry follows. */
export type RegistryConfig = ServiceSettings &
  Pick<GatewayConfig, 'routes' | 'services' | 'timeouts' | 'retry' | 'hedgeAfterMs' | 'guard'>;

/** What the registry needs from outside. The watches are made by the caller, so that a worker can be fed by IPC instead. */
export interface RegistryOptions {
  readonly config: RegistryConfig;
  /** `seed`: a snapshot that is believed already, see `WatchOptions.seed` of the SDK. */
  readonly watchService: (
    service: string,
    signal: AbortSignal,
    seed: Snapshot | undefined,
  ) => AsyncIterable<WatchEvent<SnapshotChange>>;
  readonly watchCatalog: (signal: AbortSignal) => AsyncIterable<WatchEvent<Catalog>>;
  /** Which registered addresses are believed, until {@link Registry.setAddresses}. */
  readonly addresses: AddressPolicy;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The control path: follows the catalog and every routed service, and keeps table and upstreams up to date. */
export interface Registry {
  /**
   * Follows until the signal aborts; resolves when every watch and probe has ended. Once. `probe` asks held instances whether they
   * live; without it, only time tells.
   */
  run(signal: AbortSignal, probe?: Probe): Promise<void>;
  /** Adds a listener from now on; the returned function takes it away. */
  readonly subscribe: Subscribe;
  /** Resolves when the catalog and the services known at the start have answered once. */
  readonly synced: Promise<void>;
  /** The data path's only question. */
  resolve(host: string, path: string): Destination | undefined;
  readonly table: RouteTable;
  readonly rejected: readonly RejectedClaim[];
  readonly services: readonly ServiceView[];
  /** One of them, or undefined for a service that is not followed. */
  service(name: string): ServiceView | undefined;
  readonly catalog: WatchState;
  /** Keys of all endpoints that are listed now. To be read at once: it changes with the registry. */
  listedEndpoints(): ReadonlySet<string>;
  /** Routed services that have had no answer yet. */
  waitingFor(): readonly string[];
  /**
   * Lets all held instances of a service go: the registry gets its way at once. Their ids, or undefined for a service that is not
   * followed. They come back when they are listed again.
   */
  release(service: string): readonly string[] | undefined;
  /** Judges every address afresh from now on; for when listeners have been bound. */
  setAddresses(policy: AddressPolicy): void;
  /** Why an address must not be connected to that the host name of instances resolves to, or undefined. Bound; may be passed on. */
  readonly judgeResolved: (address: string, hostname: string) => string | undefined;
  /**
   * Serves what was saved, marked stale, for all services that have had no answer yet, until the registry answers. Call it while
   * {@link Registry.run} is running.
   */
  adopt(saved: SavedTable, ageMs: number): void;
  /** What is worth saving: undefined unless everything is live and nothing is held. */
  savable(): SavedTable | undefined;
}
