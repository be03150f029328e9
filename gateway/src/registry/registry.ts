import {
  createUpstream,
  endpointKey,
  type EjectionPolicy,
  type Upstream,
} from '@roundhouse/agent-sdk/balancing';
import {
  fixedSnapshot,
  parseRouteTag,
  type Catalog,
  type InvalidRouteTag,
  type Snapshot,
  type WatchEvent,
} from '@roundhouse/agent-sdk/discovery';

import type { GatewayConfig } from '../config/gateway-config.ts';
import type { Destination } from '../exchange/exchange.ts';
import type { AttemptTimeouts } from '../exchange/seam.ts';
import { noOwnership, resolveRoutes, type RejectedClaim, type RouteOwnership } from '../routing/ownership.ts';
import type { Route } from '../routing/route.ts';
import { createRouteTable, type RouteTable } from '../routing/route-table.ts';
import { claimsOf, noClaims, sameClaims, type ServiceClaims } from './claims.ts';

/** How a watch stands: `syncing` before its first answer, then following or not. */
export type WatchState =
  | { readonly kind: 'syncing' }
  | { readonly kind: 'live' }
  | { readonly kind: 'stale'; readonly sinceMs: number; readonly message: string }
  | { readonly kind: 'fixed' };

/** What changed, for the log and for whoever holds connections. Plain values. */
export type RegistryChange =
  | {
      readonly kind: 'instances';
      readonly before: Snapshot | undefined;
      readonly after: Snapshot;
      readonly routes: readonly Route[];
    }
  | { readonly kind: 'routes'; readonly before: readonly Route[]; readonly after: readonly Route[] }
  | { readonly kind: 'rejected'; readonly claims: readonly RejectedClaim[] }
  | { readonly kind: 'invalid'; readonly service: string; readonly tags: readonly InvalidRouteTag[] }
  | { readonly kind: 'stale'; readonly of: string; readonly attempt: number; readonly message: string }
  | { readonly kind: 'live'; readonly of: string };

/** One service as the gateway knows it. */
export interface ServiceView {
  readonly service: string;
  readonly upstream: Upstream;
  readonly snapshot: Snapshot | undefined;
  readonly watch: WatchState;
  readonly invalidTags: readonly InvalidRouteTag[];
}

/** What the registry needs from outside. The watches are made by the caller, so that a worker can be fed by IPC instead. */
export interface RegistryOptions {
  readonly config: Pick<GatewayConfig, 'routes' | 'services' | 'timeouts'>;
  readonly ejection: EjectionPolicy;
  readonly watchService: (service: string, signal: AbortSignal) => AsyncIterable<WatchEvent<Snapshot>>;
  readonly watchCatalog: (signal: AbortSignal) => AsyncIterable<WatchEvent<Catalog>>;
  readonly onChange: (change: RegistryChange) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The control path: follows the catalog and every routed service, and keeps table and upstreams up to date. */
export interface Registry {
  /** Follows until the signal aborts; resolves when every watch has ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the catalog and the services known at the start have answered once. */
  readonly synced: Promise<void>;
  /** The data path's only question. */
  resolve(host: string, path: string): Destination | undefined;
  readonly table: RouteTable;
  readonly rejected: readonly RejectedClaim[];
  readonly services: readonly ServiceView[];
  readonly catalog: WatchState;
  /** Keys of all endpoints that are listed now. */
  listedEndpoints(): ReadonlySet<string>;
  /** Routed services that have had no answer yet. */
  waitingFor(): readonly string[];
}

/** After a rebuild the next one waits this many times as long as it took. */
const rebuildPause = 2;

export function createRegistry(options: RegistryOptions): Registry {
  return new RegistryState(options);
}

/** Mutable record behind a {@link ServiceView}. */
interface Service {
  readonly service: string;
  readonly upstream: Upstream;
  snapshot: Snapshot | undefined;
  watch: WatchState;
  claims: ServiceClaims;
  /** Ends this service's watch; undefined for a fixed list. */
  stop: AbortController | undefined;
}

class RegistryState implements Registry {
  readonly #options: RegistryOptions;
  readonly #configured: readonly Route[];
  readonly #services = new Map<string, Service>();
  readonly #seen = new Set<string>();
  readonly #watches = new Set<Promise<void>>();
  readonly #markSynced: () => void;
  readonly synced: Promise<void>;
  #phase: 'syncing' | 'synced' = 'syncing';
  #rebuildTimer: NodeJS.Timeout | undefined;
  #rebuildNotBeforeMs = 0;
  #inCatalog: ReadonlySet<string> = new Set();
  #ownership: RouteOwnership = noOwnership;
  #destinations: ReadonlyMap<Route, Destination> = new Map();
  table: RouteTable = createRouteTable([]);
  catalog: WatchState = { kind: 'syncing' };

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { promise, resolve } = deferred();
    this.synced = promise;
    this.#markSynced = resolve;
    this.#configured = options.config.routes.map((route) => ({ ...route, tag: undefined }));
    for (const { service, instances } of options.config.services) {
      const fixed = this.#add(service, { kind: 'fixed' });
      fixed.snapshot = fixedSnapshot(service, instances);
      fixed.upstream.update(fixed.snapshot);
      this.#seen.add(service);
    }
    this.#swap();
  }

  get rejected(): readonly RejectedClaim[] {
    return this.#ownership.rejected;
  }

  get services(): readonly ServiceView[] {
    return [...this.#services.values()].map(({ claims, ...view }) => ({
      ...view,
      invalidTags: claims.invalid,
    }));
  }

  resolve(host: string, path: string): Destination | undefined {
    const route = this.table.match(host, path);
    return route === undefined ? undefined : this.#destinations.get(route);
  }

  listedEndpoints(): ReadonlySet<string> {
    return new Set(
      [...this.#services.values()].flatMap((service) => service.snapshot?.instances.map(endpointKey) ?? []),
    );
  }

  waitingFor(): readonly string[] {
    return [...this.#services.values()]
      .filter((service) => service.watch.kind !== 'fixed' && service.snapshot === undefined)
      .map((s) => s.service);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#options.onChange({ kind: 'routes', before: [], after: this.table.routes });
    for (const service of new Set(this.#configured.map((route) => route.service)))
      this.#follow(service, signal);
    for await (const event of this.#options.watchCatalog(signal)) {
      this.#onCatalog(event, signal);
      this.#checkSynced();
    }
    await Promise.all(this.#watches);
    clearTimeout(this.#rebuildTimer);
  }

  #onCatalog(event: WatchEvent<Catalog>, signal: AbortSignal): void {
    this.catalog = this.#noteState('catalog', this.catalog, event);
    if (event.kind !== 'value') return;
    const { services } = event.value;
    const routed = Object.keys(services).filter(
      (name) => services[name]?.some((tag) => parseRouteTag(tag) !== undefined) === true,
    );
    this.#inCatalog = new Set(Object.keys(services));
    for (const service of routed) this.#follow(service, signal);
    for (const service of this.#services.values()) this.#leaveIfGone(service);
  }

  #follow(name: string, signal: AbortSignal): void {
    if (this.#services.get(name)?.stop !== undefined || this.#services.get(name)?.watch.kind === 'fixed')
      return;
    const service = this.#services.get(name) ?? this.#add(name, { kind: 'syncing' });
    const stop = new AbortController();
    service.stop = stop;
    const watch = this.#consume(service, AbortSignal.any([signal, stop.signal]));
    this.#watches.add(watch);
    void watch.finally(() => this.#watches.delete(watch));
  }

  async #consume(service: Service, signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.watchService(service.service, signal)) {
      service.watch = this.#noteState(service.service, service.watch, event);
      if (event.kind === 'value') this.#onSnapshot(service, event.value);
      this.#checkSynced();
    }
  }

  #onSnapshot(service: Service, snapshot: Snapshot): void {
    const before = service.snapshot;
    service.snapshot = snapshot;
    service.upstream.update(snapshot);
    if (snapshot.instances.length > 0) this.#seen.add(service.service);
    const claims = claimsOf(snapshot);
    if (!sameClaims(claims, service.claims)) {
      const invalidBefore = service.claims.invalid.map((row) => row.invalid);
      const news = claims.invalid.filter((row) => !invalidBefore.includes(row.invalid));
      service.claims = claims;
      if (news.length > 0) this.#options.onChange({ kind: 'invalid', service: service.service, tags: news });
      this.#requestRebuild();
    } else if (before === undefined || before.instances.length === 0) {
      // The first instance of a built-in route's own service settles whom that route belongs to.
      this.#requestRebuild();
    }
    const routes = this.table.routes.filter((route) => route.service === service.service);
    this.#options.onChange({ kind: 'instances', before, after: snapshot, routes });
    this.#leaveIfGone(service);
  }

  /** A watch is kept while the config or the catalog names the service, or while instances of it are known. */
  #leaveIfGone(service: Service): void {
    const { stop, snapshot } = service;
    if (stop === undefined || snapshot === undefined || snapshot.instances.length > 0) return;
    if (
      this.#inCatalog.has(service.service) ||
      this.#configured.some((route) => route.service === service.service)
    )
      return;
    stop.abort();
    service.stop = undefined;
    if (!this.table.routes.some((route) => route.service === service.service))
      this.#services.delete(service.service);
  }

  /** At once, unless a rebuild has just been made: a storm of registrations spends a third of the time on tables at most. */
  #requestRebuild(): void {
    if (this.#rebuildTimer !== undefined) return;
    const waitMs = this.#rebuildNotBeforeMs - this.#options.now();
    if (waitMs <= 0) this.#rebuild();
    else
      this.#rebuildTimer = setTimeout(() => {
        this.#rebuildTimer = undefined;
        this.#rebuild();
      }, waitMs);
  }

  /** New routes, in one swap. Until everything has answered once, nobody is an incumbent: arrival order means nothing then. */
  #rebuild(): void {
    const startedMs = this.#options.now();
    const { routes } = this.table;
    const { rejected } = this.#ownership;
    this.#swap();
    if (!sameRoutes(routes, this.table.routes)) {
      this.#options.onChange({ kind: 'routes', before: routes, after: this.table.routes });
    }
    const news = newlyRejected(rejected, this.#ownership.rejected);
    if (news.length > 0) this.#options.onChange({ kind: 'rejected', claims: news });
    const endedMs = this.#options.now();
    this.#rebuildNotBeforeMs = endedMs + rebuildPause * (endedMs - startedMs);
  }

  #swap(): void {
    const ownership = resolveRoutes(this.#phase === 'synced' ? this.#ownership : noOwnership, {
      configured: this.#configured,
      claims: [...this.#services.values()].flatMap((service) => service.claims.claims),
      wasSeen: (service) => this.#seen.has(service),
    });
    this.#ownership = ownership;
    const table = createRouteTable(ownership.routes);
    this.#destinations = new Map(table.routes.map((route) => [route, this.#destination(route)]));
    this.table = table;
  }

  #destination(route: Route): Destination {
    const known = this.#destinations.get(route);
    const { upstream } = this.#services.get(route.service) ?? this.#add(route.service, { kind: 'syncing' });
    if (known?.upstream === upstream) return known;
    const timeouts: AttemptTimeouts = { ...this.#options.config.timeouts, ...route.timeouts };
    return { route, upstream, timeouts };
  }

  #add(name: string, watch: WatchState): Service {
    const { ejection, now, random } = this.#options;
    const upstream = createUpstream(name, { ejection, now, random });
    const service: Service = {
      service: name,
      upstream,
      snapshot: undefined,
      watch,
      claims: noClaims,
      stop: undefined,
    };
    this.#services.set(name, service);
    return service;
  }

  #noteState(of: string, before: WatchState, event: WatchEvent<unknown>): WatchState {
    if (event.kind !== 'stale') {
      if (before.kind === 'stale') this.#options.onChange({ kind: 'live', of });
      return { kind: 'live' };
    }
    const { attempt, message } = event;
    this.#options.onChange({ kind: 'stale', of, attempt, message });
    return {
      kind: 'stale',
      sinceMs: before.kind === 'stale' ? before.sinceMs : this.#options.now(),
      message,
    };
  }

  #checkSynced(): void {
    if (this.#phase === 'synced' || this.catalog.kind !== 'live') return;
    if (
      [...this.#services.values()].some(
        (service) => service.stop !== undefined && service.watch.kind === 'syncing',
      )
    )
      return;
    this.#phase = 'synced';
    this.#markSynced();
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function sameRoutes(a: readonly Route[], b: readonly Route[]): boolean {
  return (
    a.length === b.length &&
    a.every((route, index) => {
      const other = b[index];
      return (
        route.host === other?.host &&
        route.prefix === other?.prefix &&
        route.service === other.service &&
        route.strip === other.strip &&
        route.tag === other.tag
      );
    })
  );
}

function newlyRejected(
  before: readonly RejectedClaim[],
  after: readonly RejectedClaim[],
): readonly RejectedClaim[] {
  const key = ({ service, host, prefix }: RejectedClaim): string => JSON.stringify([service, host, prefix]);
  const known = new Set(before.map(key));
  return after.filter((claim) => !known.has(key(claim)));
}
