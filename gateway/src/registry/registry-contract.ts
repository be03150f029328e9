import type {
  HeldInstance,
  HeldProbe,
  InvalidRouteTag,
  Notice,
  Snapshot,
  Upstream,
} from '@roundhouse/agent-sdk/internal';

import type { AddressRules, GatewayConfig, ServiceSettings } from '../config/gateway-config.ts';
import type { Destination } from '../exchange/destination.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { AddressFacts, AddressPolicy } from './addresses/address-policy.ts';
import type { InvalidSetting } from './services/meta-settings.ts';
import type { Subscribe } from './registry-listener.ts';
import type { SavedTable } from './persistence/saved-table-format.ts';
import type { RegistrySource } from './sources/registry-source.ts';
import type { WatchState } from './sources/watch-state.ts';

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
  Pick<
    GatewayConfig,
    | 'routes'
    | 'routesReleaseAfterMs'
    | 'services'
    | 'timeouts'
    | 'retry'
    | 'hedgeAfterMs'
    | 'guard'
    | 'addresses'
  >;

/** What the registry needs from outside. */
export interface RegistryOptions {
  readonly config: RegistryConfig;
  /** Each service is followed in all of them, unless the configuration lists its instances. */
  readonly sources: readonly RegistrySource[];
  /** Which registered addresses are believed, by the configuration's rules and the gateway's own listeners. */
  readonly addressPolicy: (rules: AddressRules, listeners: AddressFacts['listeners']) => AddressPolicy;
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
  run(signal: AbortSignal, probe?: HeldProbe): Promise<void>;
  /** Adds a listener from now on; the returned function takes it away. */
  readonly subscribe: Subscribe;
  /** Resolves when the catalog and the services known at the start have answered once. */
  readonly synced: Promise<void>;
  /** The data path's only question. Undefined, too, for a path that could be claimed, while claims are not known yet. */
  resolve(host: string, path: string): Destination | undefined;
  /** Whether all that services claim is known: from their first answers on, or those of a saved table. */
  readonly areClaimsKnown: boolean;
  /** Somebody wants to know how a service stands; it is followed closely from now on. */
  asked(service: string): void;
  readonly table: RouteTable;
  readonly rejected: readonly RejectedClaim[];
  readonly services: readonly ServiceView[];
  /** Names in the catalog that can't be believed, free of control characters and cut. */
  readonly refusedServices: readonly string[];
  /** What an operator should know about the way to the sources, now. */
  notices(): readonly Notice[];
  /** One of them, or undefined for a service that is not followed. */
  service(name: string): ServiceView | undefined;
  /** Of all sources together. */
  readonly catalog: WatchState;
  /** Keys of all endpoints that are listed now. To be read at once: it changes with the registry. */
  listedEndpoints(): ReadonlySet<string>;
  /** Followed services whose instances are not known yet. One that alone can't be read is not waited for. */
  waitingFor(): readonly string[];
  /**
   * Lets all held instances of a service go: the registry gets its way at once. Their ids, or undefined for a service that is not
   * followed. They come back when they are listed again.
   */
  release(service: string): readonly string[] | undefined;
  /**
   * Takes a route that the registry gave from its owner, and gives it to another service that claims it, if there is one; else it is
   * forgotten. `name`: see `routeName`. Returns who had it, or undefined when nobody has such a route.
   */
  releaseRoute(name: string): string | undefined;
  /**
   * Follows another configuration: routes, settings and fixed lists of services, timeouts and retry rules, holds, and which addresses are
   * believed. Exchanges under way keep what they began with. Services that become routed are looked up first, for a second at
   * most; then everything changes at once. Resolves when it has, or when a later call has taken over.
   */
  reconfigure(config: RegistryConfig): Promise<void>;
  /** The gateway's own listeners, as they are bound: instances at their addresses would be a loop. */
  setListeners(listeners: AddressFacts['listeners']): void;
  /** Why an address must not be connected to that the host name of instances resolves to, or undefined. Bound; may be passed on. */
  readonly judgeResolved: (address: string, hostname: string) => string | undefined;
  /**
   * Serves what was saved, marked stale, for all services that have had no answer yet, until the registry answers; owners of routes that have
   * served are owners again. Call it while {@link Registry.run} is running, before the first request.
   */
  adopt(saved: SavedTable, ageMs: number): void;
  /** What is worth saving: undefined unless everything is live and nothing is held. */
  savable(): SavedTable | undefined;
}
