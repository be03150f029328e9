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
  /** The instances that the gateway uses; undefined before the first answer. */
  readonly snapshot: Snapshot | undefined;
  readonly watch: WatchState;
  readonly settings: ServiceSettings;
  readonly invalidTags: readonly InvalidRouteTag[];
  readonly invalidSettings: readonly InvalidSetting[];
  /** Instances of the snapshot that the registry no longer lists, with their probe results. */
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
  /** The registry follows each service in all sources, unless the configuration lists its instances. */
  readonly sources: readonly RegistrySource[];
  /** Decides which registered addresses are used, by the configuration's rules and the gateway's own listeners. */
  readonly addressPolicy: (rules: AddressRules, listeners: AddressFacts['listeners']) => AddressPolicy;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The control path: follows the catalog and every routed service, and keeps table and upstreams up to date. */
export interface Registry {
  /**
   * Follows until the signal aborts; resolves when every watch and probe has ended. Once. `probe` asks held instances whether they
   * live; without it, held instances end by time only.
   */
  run(signal: AbortSignal, probe?: HeldProbe): Promise<void>;
  /** Adds a listener; the returned function removes it. */
  readonly subscribe: Subscribe;
  /** Resolves when the catalog and the services known at the start have answered once. */
  readonly synced: Promise<void>;
  /** The only call of the data path. Undefined when no route matches, and for a claimable path while claims are not known yet. */
  resolve(host: string, path: string): Destination | undefined;
  /** Whether all claims of services are known, from their first answers or from a saved table. */
  readonly areClaimsKnown: boolean;
  /** Reports that an instance asked how its service stands; the registry follows the service closely from then on. */
  asked(service: string): void;
  readonly table: RouteTable;
  readonly rejected: readonly RejectedClaim[];
  readonly services: readonly ServiceView[];
  /** Invalid service names in the catalog, shortened and without control characters. */
  readonly refusedServices: readonly string[];
  /** What an operator should know about the way to the sources, now. */
  notices(): readonly Notice[];
  /** One of them, or undefined for a service that is not followed. */
  service(name: string): ServiceView | undefined;
  /** Of all sources together. */
  readonly catalog: WatchState;
  /** Keys of all endpoints that are listed now. Read it at once: it changes with the registry. */
  listedEndpoints(): ReadonlySet<string>;
  /** Followed services whose instances are not known yet, without a service that alone can't be read. */
  waitingFor(): readonly string[];
  /**
   * Removes all held instances of a service at once, as the registry says. Returns their ids, or undefined for a service that is not
   * followed. They come back when they are listed again.
   */
  release(service: string): readonly string[] | undefined;
  /**
   * Takes a claimed route from its owner and gives it to another service that claims it. Without another claim the route is removed. `name`: see `routeName`. Returns who had it, or undefined when nobody has such a route.
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
  /** The reason to refuse an address that an instance's host name resolves to, or undefined. Bound; may be passed on. */
  readonly judgeResolved: (address: string, hostname: string) => string | undefined;
  /**
   * Serves what was saved, marked stale, for all services that have had no answer yet, until the registry answers; owners of routes that have
   * served are owners again. Call it while {@link Registry.run} is running, before the first request.
   */
  adopt(saved: SavedTable, ageMs: number): void;
  /** What is worth saving: undefined unless everything is live and nothing is held. */
  savable(): SavedTable | undefined;
}
