import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  compareSnapshots,
  type Catalog,
  fixedSnapshot,
  type HealthNews,
  type Instance,
  parseRouteTag,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
} from '@roundhouse/agent-sdk/internal';

import type { Destination } from '../exchange/destination.ts';
import type { RejectedClaim } from '../routing/ownership.ts';
import type { Route } from '../routing/route.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { AddressPolicy } from './address-policy.ts';
import { sameClaims } from './claims.ts';
import { destinationOf } from './destination-of.ts';
import { FollowedService, type ServiceUpdate } from './followed-service.ts';
import type { Probe } from '../health/probe.ts';
import { createHeldProber, type HeldProber } from './held-prober.ts';
import { hostIndex, type HostFacts } from './host-facts.ts';
import { ListedEndpoints } from './listed-endpoints.ts';
import type { Registry, RegistryOptions, ServiceView } from './registry-contract.ts';
import { createListeners, type Subscribe } from './registry-listener.ts';
import { createRouteTables, type RouteTables } from './route-tables.ts';
import type { SavedTable } from './saved-table-format.ts';
import { goodSnapshots, viewOf } from './service-view.ts';
import { nextWatchState, type WatchState } from './watch-state.ts';

export type { RegistryListener } from './registry-listener.ts';
export type { Registry, RegistryConfig, RegistryOptions, ServiceView } from './registry-contract.ts';
export type { WatchState } from './watch-state.ts';

/** A registry that serves fixed lists only, until {@link Registry.run}. */
export function createRegistry(options: RegistryOptions): Registry {
  return new RegistryState(options);
}

class RegistryState implements Registry {
  readonly #options: RegistryOptions;
  readonly #configured: readonly Route[];
  readonly #services = new Map<string, FollowedService>();
  readonly #seen = new Set<string>();
  readonly #listed = new ListedEndpoints();
  readonly #watches = new Set<Promise<void>>();
  readonly #tables: RouteTables;
  #prober: HeldProber | undefined;
  readonly #markSynced: () => void;
  readonly #listeners = createListeners();
  readonly synced: Promise<void>;
  #phase: 'syncing' | 'synced' = 'syncing';
  #addresses: AddressPolicy;
  #following: AbortSignal | undefined;
  #catalogAnswer: Catalog | undefined;
  /** Made at the first question after a change. */
  #hosts: ReadonlyMap<string, HostFacts> | undefined;
  catalog: WatchState = { kind: 'syncing' };

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { config, now } = options;
    const { promise, resolve } = deferred();
    this.synced = promise;
    this.#markSynced = resolve;
    this.#addresses = options.addresses;
    this.#configured = config.routes.map((route) => ({ ...route, tag: undefined }));
    this.#tables = createRouteTables({
      now,
      facts: () => ({
        configured: this.#configured,
        claims: [...this.#services.values()].flatMap((service) => service.claims.claims),
        wasSeen: (service) => this.#seen.has(service),
      }),
      destination: (route, known) =>
        destinationOf(config, route, this.#services.get(route.service) ?? this.#add(route.service), known),
      onChange: (change) => {
        this.#listeners.tableChanged(change);
      },
    });
    for (const { service, instances } of config.services) {
      if (instances === undefined) continue;
      const fixed = this.#add(service, { kind: 'fixed' });
      this.#apply(fixed, compareSnapshots(undefined, fixedSnapshot(service, instances)));
      fixed.readClaims();
      this.#seen.add(service);
    }
    this.#tables.swap();
  }

  get subscribe(): Subscribe {
    return this.#listeners.subscribe;
  }

  get table(): RouteTable {
    return this.#tables.table;
  }

  get rejected(): readonly RejectedClaim[] {
    return this.#tables.ownership.rejected;
  }

  get services(): readonly ServiceView[] {
    return [...this.#services.values()].map(viewOf);
  }

  service(name: string): ServiceView | undefined {
    const service = this.#services.get(name);
    return service === undefined ? undefined : viewOf(service);
  }

  resolve(host: string, path: string): Destination | undefined {
    return this.#tables.resolve(host, path);
  }

  listedEndpoints(): ReadonlySet<string> {
    return this.#listed.keys;
  }

  waitingFor(): readonly string[] {
    return [...this.#services.values()]
      .filter((service) => service.watch.kind !== 'fixed' && service.snapshot === undefined)
      .map((s) => s.service);
  }

  release(name: string): readonly string[] | undefined {
    const service = this.#services.get(name);
    if (service === undefined) return undefined;
    const keys = [...service.held.rows.keys()];
    return this.#letGo(service, keys, 'released by the operator').map(({ id }) => id);
  }

  setAddresses(policy: AddressPolicy): void {
    this.#addresses = policy;
    for (const service of this.#services.values()) this.#reapply(service);
  }

  readonly judgeResolved = (address: string, hostname: string): string | undefined => {
    this.#hosts ??= hostIndex(this.#services.values());
    const { source, ports } = this.#hosts.get(hostname) ?? { source: 'registry', ports: [] };
    return this.#addresses.judgeResolved(address, ports, source);
  };

  adopt(saved: SavedTable, ageMs: number): void {
    const { now } = this.#options;
    const missing = saved.snapshots.filter(({ service }) => {
      const known = this.#services.get(service);
      const isListed = this.#catalogAnswer === undefined || this.#isKnown(service);
      return isListed && known?.watch.kind !== 'fixed' && known?.snapshot === undefined;
    });
    if (missing.length === 0) return;
    const services = new Set(missing.map(({ service }) => service));
    if (this.#phase === 'syncing') this.#tables.remember(saved.routes);
    const minutes = Math.round(ageMs / 60_000);
    const message = `Consul has not answered yet; this list was saved ${minutes} min ago.`;
    this.#listeners.savedTableAdopted([...services], ageMs);
    for (const snapshot of missing) {
      const service = this.#services.get(snapshot.service) ?? this.#add(snapshot.service);
      service.stop?.abort();
      service.stop = undefined;
      service.watch = { kind: 'stale', sinceMs: now() - ageMs, message };
      this.#onChange(service, compareSnapshots(undefined, snapshot));
      if (this.#following !== undefined) this.#follow(snapshot.service, this.#following, snapshot);
    }
    this.#catalogAnswer ??= saved.catalog;
    this.#tables.flush();
  }

  savable(): SavedTable | undefined {
    if (this.#phase !== 'synced' || this.catalog.kind !== 'live' || this.#catalogAnswer === undefined)
      return undefined;
    const snapshots = goodSnapshots(this.#services.values());
    const routes = this.table.routes.filter((route) => route.source === 'registry');
    return snapshots === undefined ? undefined : { catalog: this.#catalogAnswer, snapshots, routes };
  }

  async run(signal: AbortSignal, probe?: Probe): Promise<void> {
    this.#following = signal;
    this.#prober = probe === undefined ? undefined : this.#createProber(probe);
    this.#listeners.tableChanged({ before: [], after: this.table.routes, rejected: [] });
    for (const service of new Set(this.#configured.map((route) => route.service)))
      this.#follow(service, signal);
    for await (const event of this.#options.watchCatalog(signal)) {
      this.catalog = this.#note('catalog', this.catalog, event);
      if (event.kind === 'value') this.#onCatalog(event.value, signal);
      this.#checkSynced();
    }
    await Promise.all(this.#watches);
    await this.#prober?.stop();
    this.#tables.stop();
  }

  #onCatalog(catalog: Catalog, signal: AbortSignal): void {
    this.#catalogAnswer = catalog;
    const { services } = catalog;
    const routed = Object.keys(services).filter(
      (name) => services[name]?.some((tag) => parseRouteTag(tag) !== undefined) === true,
    );
    for (const service of routed) this.#follow(service, signal);
    for (const service of this.#services.values()) this.#leaveIfGone(service);
  }

  #follow(name: string, signal: AbortSignal, seed?: Snapshot): void {
    const known = this.#services.get(name);
    if (known?.stop !== undefined || known?.watch.kind === 'fixed') return;
    const service = known ?? this.#add(name);
    const stop = new AbortController();
    service.stop = stop;
    const watch = this.#consume(service, AbortSignal.any([signal, stop.signal]), seed);
    this.#watches.add(watch);
    void watch.finally(() => this.#watches.delete(watch));
  }

  async #consume(service: FollowedService, signal: AbortSignal, seed: Snapshot | undefined): Promise<void> {
    for await (const event of this.#options.watchService(service.service, signal, seed)) {
      service.watch = this.#note(service.service, service.watch, event);
      if (event.kind === 'value') {
        const update = this.#apply(service, event.value);
        // Requests that came meanwhile have their turn before the rest is done. The first list is waited for, and dealt with as a whole.
        if (isLarge(update)) await nextTurn();
        if (signal.aborted) return;
        if (update !== undefined) this.#emit(service, update);
        this.#leaveIfGone(service);
      }
      this.#checkSynced();
    }
  }

  #onChange(service: FollowedService, change: SnapshotChange): void {
    const update = this.#apply(service, change);
    if (update !== undefined) this.#emit(service, update);
    this.#leaveIfGone(service);
  }

  /** What balancing and pools go by; everything else follows in {@link RegistryState.#emit}. */
  #apply(service: FollowedService, change?: SnapshotChange): ServiceUpdate | undefined {
    const update = service.apply(this.#addresses, change);
    if (change !== undefined && change.after.instances.length > 0) this.#seen.add(service.service);
    if (update !== undefined) this.#listed.follow(update.instances);
    return update;
  }

  /** After something else than the snapshot has changed. */
  #reapply(service: FollowedService): void {
    const update = this.#apply(service);
    if (update === undefined) return;
    const { added, removed } = update.instances;
    if (added.length === 0 && removed.length === 0 && update.settings === undefined) return;
    this.#emit(service, update);
  }

  #emit(service: FollowedService, update: ServiceUpdate): void {
    const claimsBefore = service.readClaims();
    const { service: name, claims } = service;
    const { before, after } = update.instances;
    this.#hosts = undefined;
    const isFirst = before === undefined || before.instances.length === 0;
    const sameRoutes = sameClaims(claims, claimsBefore);
    // The first instance of a built-in route's own service settles whom that route belongs to.
    if (!sameRoutes || isFirst || update.settings !== undefined) this.#tables.request();
    const invalidBefore = new Set(claimsBefore.invalid.map((row) => row.invalid));
    const invalidTags = sameRoutes ? [] : claims.invalid.filter((row) => !invalidBefore.has(row.invalid));
    const { heldBecause } = after;
    const routes = this.#tables.routesOf(name);
    this.#listeners.serviceChanged({ service: name, ...update, routes, heldBecause, invalidTags });
    this.#prober?.follow(name, service.held.rows);
  }

  #letGo(service: FollowedService, keys: readonly string[], reason: string): readonly Instance[] {
    const instances = service.letGo(keys);
    if (instances.length === 0) return [];
    this.#listeners.instancesLetGo({ service: service.service, instances, reason });
    this.#reapply(service);
    this.#leaveIfGone(service);
    return instances;
  }

  #createProber(probe: Probe): HeldProber {
    return createHeldProber({
      probe,
      onProbe: (name, key, state) => this.#services.get(name)?.probed(key, state),
      onDead: (name, key, reason) => {
        const service = this.#services.get(name);
        if (service !== undefined) this.#letGo(service, [key], `it does not answer: ${reason}`);
      },
    });
  }

  /** Whether the config or the catalog names a service. */
  #isKnown(name: string): boolean {
    return (
      (this.#catalogAnswer !== undefined && Object.hasOwn(this.#catalogAnswer.services, name)) ||
      this.#configured.some((route) => route.service === name)
    );
  }

  /** A watch is kept while the config or the catalog names the service, or while instances of it are known. */
  #leaveIfGone(service: FollowedService): void {
    const { stop, snapshot } = service;
    if (stop === undefined || snapshot === undefined || snapshot.instances.length > 0) return;
    if (this.#isKnown(service.service)) return;
    stop.abort();
    service.stop = undefined;
    // From here on the catalog speaks for it. Had its own watch just failed, it would be called stale for ever.
    if (service.watch.kind === 'stale') {
      service.watch = { kind: 'live' };
      this.#listeners.watchChanged({ kind: 'live', of: service.service });
    }
    if (this.#tables.routesOf(service.service).length === 0) this.#services.delete(service.service);
  }

  #add(name: string, watch: WatchState = { kind: 'syncing' }): FollowedService {
    const { config, now, random } = this.#options;
    const configured = config.services.find(({ service }) => service === name)?.settings ?? {};
    const onHealth = (news: HealthNews): void => {
      this.#listeners.healthChanged(name, news);
    };
    const facts = { service: name, defaults: config, configured, watch, onHealth, now, random };
    const service = new FollowedService(facts);
    this.#services.set(name, service);
    return service;
  }

  #note(of: string, before: WatchState, event: WatchEvent<unknown>): WatchState {
    const { state, news } = nextWatchState(of, before, event, this.#options.now());
    if (news !== undefined) this.#listeners.watchChanged(news);
    return state;
  }

  #checkSynced(): void {
    if (this.#phase === 'synced' || this.catalog.kind !== 'live') return;
    const isOpen = (service: FollowedService): boolean =>
      service.stop !== undefined && service.watch.kind === 'syncing';
    if ([...this.#services.values()].some(isOpen)) return;
    this.#phase = 'synced';
    this.#tables.flush();
    this.#tables.settle();
    this.#markSynced();
    this.#listeners.synced();
  }
}

/** Instances of a list that is dealt with in several turns of the event loop. */
const largeList = 500;

function isLarge(update: ServiceUpdate | undefined): boolean {
  return update?.instances.before !== undefined && update.instances.after.instances.length > largeList;
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
