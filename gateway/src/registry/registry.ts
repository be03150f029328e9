import {
  type Demand,
  type HeldProbe,
  type Notice,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
  yieldTurn,
} from '@roundhouse/agent-sdk/internal';

import type { Destination } from '../exchange/destination.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import type { RouteTable } from '../routing/route-table.ts';
import { ownersOf, type Route } from '../routing/route.ts';
import type { AddressFacts } from './addresses/address-policy.ts';
import { JudgedAddresses } from './addresses/judged-addresses.ts';
import type { SavedTable } from './persistence/saved-table-format.ts';
import { ownersAt, savedTableOf, seedsOf } from './persistence/saved-services.ts';
import type { Registry, RegistryConfig, RegistryOptions, ServiceView } from './registry-contract.ts';
import { configured, followLists } from './configured-lists.ts';
import { createConditions } from './conditions.ts';
import { FirstAnswers } from './first-answers.ts';
import { isRouteTag, listedServices, routesOf, watchedServices } from './configured-services.ts';
import { createListeners, type Subscribe } from './registry-listener.ts';
import { HeldReleases } from './services/held-releases.ts';
import { ServiceRuntime } from './services/service-runtime.ts';
import { ServiceUpdates } from './services/service-updates.ts';
import { Catalogs } from './sources/catalogs.ts';
import type { RegistrySource } from './sources/registry-source.ts';
import { SourceWatches } from './sources/source-watches.ts';
import type { WatchState } from './sources/watch-state.ts';
import { createRouteTables, destinationOf, type RouteTables } from './table/route-tables.ts';

export type { Registry, RegistryConfig, RegistryOptions, ServiceView } from './registry-contract.ts';

/** A registry that serves fixed lists only, until {@link Registry.run}. */
export function createRegistry(options: RegistryOptions): Registry {
  return new RegistryState(options);
}

/** How long {@link Registry.reconfigure} waits for the first answers about services that become routed. */
const firstAnswersMs = 1_000;

class RegistryState implements Registry {
  readonly #options: RegistryOptions;
  readonly #services = new Map<string, ServiceRuntime>();
  readonly #updates: ServiceUpdates;
  readonly #catalogs: Catalogs;
  readonly #watches: SourceWatches;
  readonly #tables: RouteTables;
  readonly #held: HeldReleases;
  readonly #listeners = createListeners();
  readonly #awaited = createConditions();
  readonly #firstAnswers: FirstAnswers;
  readonly synced: Promise<void>;
  #config: RegistryConfig;
  #routes: readonly Route[];
  readonly #addresses: JudgedAddresses;
  #reconfigurations = 0;
  #isSynced = false;
  areClaimsKnown = false;

  constructor(options: RegistryOptions) {
    const { config, sources, now } = options;
    this.#options = options;
    this.#config = config;
    this.#routes = routesOf(config);
    this.#addresses = new JudgedAddresses(config.addresses, {
      addressPolicy: options.addressPolicy,
      services: () => [...this.#services.values()].map(({ state }) => state),
    });
    const holdPolicy = (): RegistryConfig['guard'] => this.#config.guard;
    this.#catalogs = new Catalogs({ sources, holdPolicy, now, listeners: this.#listeners });
    const demand = (name: string): Demand => this.#service(name).demand;
    this.#watches = new SourceWatches({ sources, holdPolicy, demand, onEvent: this.#onEvent });
    this.#firstAnswers = new FirstAnswers(sources, this.#catalogs, this.#watches, this.#services);
    this.#updates = new ServiceUpdates({
      tables: () => this.#tables,
      listeners: this.#listeners,
      beforeEmit: () => {
        this.#addresses.changed();
      },
      afterEmit: (service) => {
        this.#held.follow(service);
      },
    });
    this.#held = new HeldReleases({
      services: this.#services,
      updates: this.#updates,
      listeners: this.#listeners,
      afterwards: this.#leaveIfGone,
    });
    this.#tables = createRouteTables({
      now,
      facts: () => ({
        configured: this.#routes,
        claims: [...this.#services.values()].flatMap(({ claims }) => claims.claims),
        wasSeen: (service) => this.#updates.seen.has(service),
        isLive: (service, tag) => this.#services.get(service)?.isLive(tag) === true,
        releaseAfterMs: this.#config.routesReleaseAfterMs,
      }),
      destination: (route, known) => destinationOf(this.#config, route, this.#service(route.service), known),
      onChange: (change) => {
        this.#listeners.tableChanged(change);
      },
    });
    this.#awaited.add(this.#firstAnswers.areClaimsKnown, () => {
      this.#tables.flush();
      this.areClaimsKnown = true;
    });
    this.#followLists();
    this.#tables.swap();
    this.synced = new Promise((resolve) => {
      this.#awaited.add(this.#firstAnswers.areIn, () => {
        this.#isSynced = true;
        this.#tables.flush();
        this.#tables.settle();
        this.#listeners.synced();
        resolve();
      });
    });
    this.#awaited.check();
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

  get catalog(): WatchState {
    return this.#catalogs.watch;
  }

  readonly notices = (): readonly Notice[] => this.#catalogs.notices;
  get refusedServices(): readonly string[] {
    return this.#catalogs.refused;
  }

  get services(): readonly ServiceView[] {
    return [...this.#services.values()].map((service) => service.view());
  }

  service(name: string): ServiceView | undefined {
    return this.#services.get(name)?.view();
  }

  resolve(host: string, path: string): Destination | undefined {
    const destination = this.#tables.resolve(host, path);
    if (!this.areClaimsKnown && !isCertain(destination?.route)) return undefined;
    destination?.demand.note();
    return destination;
  }

  asked(name: string): void {
    this.#services.get(name)?.demand.note();
  }

  listedEndpoints(): ReadonlySet<string> {
    return this.#updates.listed.keys;
  }

  waitingFor(): readonly string[] {
    return this.#firstAnswers.waitingFor();
  }

  release(name: string): readonly string[] | undefined {
    return this.#held.release(name);
  }

  releaseRoute(name: string): string | undefined {
    return this.#tables.release(name);
  }

  setListeners(listeners: AddressFacts['listeners']): void {
    this.#addresses.listeners = listeners;
    for (const service of this.#services.values()) this.#updates.apply(service, { kind: 'reconfigured' });
  }

  get judgeResolved(): Registry['judgeResolved'] {
    return this.#addresses.judgeResolved;
  }

  async reconfigure(config: RegistryConfig): Promise<void> {
    const number = (this.#reconfigurations += 1);
    const routed = watchedServices(config);
    for (const service of routed) this.#follow(service);
    await this.#awaited.within(() => !routed.some(this.#firstAnswers.isUntold), firstAnswersMs);
    if (number !== this.#reconfigurations) return;
    this.#config = config;
    this.#routes = routesOf(config);
    this.#addresses.rules = config.addresses;
    this.#followLists();
    for (const service of this.#services.values()) this.#updates.apply(service, { kind: 'reconfigured' });
    this.#tables.renew();
    this.#followRouted();
  }

  adopt(saved: SavedTable, ageMs: number): void {
    const { sources, now } = this.#options;
    this.#tables.remember(ownersAt(saved, now() - ageMs));
    const lists = listedServices(this.#config);
    for (const { route } of saved.routes) if (!lists.has(route.service)) this.#follow(route.service);
    const seeds = seedsOf(saved, sources, (name, source) => {
      const known = this.#services.get(name)?.state.inputs;
      const isWanted = !this.#catalogs.areComplete || this.#isKnown(name);
      return isWanted && known?.has(configured.name) !== true && known?.get(source)?.snapshot === undefined;
    });
    if (seeds.size === 0) return;
    this.#listeners.savedTableAdopted([...seeds.keys()], ageMs);
    const message = `Consul has not answered yet; this list was saved ${Math.round(ageMs / 60_000)} min ago.`;
    const sinceMs = now() - ageMs;
    const watch: WatchState = { kind: 'stale', sinceMs, message, failure: 'unreachable', attempt: 0 };
    for (const [name, snapshots] of seeds) {
      const service = this.#service(name);
      this.#watches.leave(name);
      for (const source of sources) {
        const snapshot = snapshots.get(source.name);
        if (snapshot !== undefined) this.#updates.apply(service, { kind: 'list', source, watch, snapshot });
      }
      this.#follow(name, snapshots);
    }
    this.#catalogs.adopt(saved.catalog);
    this.#tables.flush();
    this.#awaited.check();
  }

  savable(): SavedTable | undefined {
    const { catalog } = this.#catalogs;
    if (!this.#isSynced || this.catalog.kind !== 'live' || catalog === undefined) return undefined;
    return savedTableOf(catalog, [...this.#services.values()], {
      owners: [...this.#tables.ownership.remembered.values()],
      nowMs: this.#options.now(),
    });
  }

  async run(signal: AbortSignal, probe?: HeldProbe): Promise<void> {
    if (probe !== undefined) this.#held.start(probe);
    this.#listeners.tableChanged({ before: [], after: this.table.routes, rejected: [] });
    this.#watches.start(signal);
    this.#followRouted();
    await this.#catalogs.run(signal, () => {
      this.#followRouted();
      this.#awaited.check();
    });
    await this.#watches.ended();
    await this.#held.stop();
    this.#tables.stop();
  }

  readonly #onEvent = async (
    source: RegistrySource,
    name: string,
    event: WatchEvent<SnapshotChange>,
    signal: AbortSignal,
  ): Promise<void> => {
    const service = this.#service(name);
    const update = this.#updates.take(service, { kind: 'source', source, event });
    // Readiness waits for the first list, so it is processed in one turn.
    const { before, after } = update?.instances ?? {};
    if (before !== undefined) await yieldTurn(after?.instances.length);
    if (signal.aborted) return;
    this.#updates.emit(service);
    this.#leaveIfGone(service);
    this.#awaited.check();
  };

  #followLists(): void {
    followLists(this.#config, {
      service: (name) => this.#service(name),
      services: this.#services,
      updates: this.#updates,
      watches: this.#watches,
    });
  }

  /** Follows what the configuration or a catalog routes, and leaves what is neither known nor there. */
  #followRouted(): void {
    for (const service of watchedServices(this.#config)) this.#follow(service);
    const lists = listedServices(this.#config);
    for (const service of this.#catalogs.services(isRouteTag)) if (!lists.has(service)) this.#follow(service);
    for (const service of this.#services.values()) this.#leaveIfGone(service);
  }

  #follow(name: string, seeds?: ReadonlyMap<string, Snapshot>): void {
    this.#service(name);
    this.#watches.follow(name, seeds);
  }

  /** A watch is kept while the configuration or a catalog names the service, or while instances of it are known. */
  readonly #leaveIfGone = (service: ServiceRuntime): void => {
    const { service: name, snapshot, inputs } = service.state;
    const isWaiting = this.#watches.has(name) && snapshot === undefined;
    if (isWaiting || (snapshot?.instances.length ?? 0) > 0 || this.#isKnown(name)) return;
    this.#watches.leave(name);
    for (const source of inputs.keys()) this.#updates.apply(service, { kind: 'unwatched', source });
    if (this.#tables.routesOf(name).length === 0) this.#services.delete(name);
  };

  /** Whether the configuration or a catalog names a service. */
  #isKnown(name: string): boolean {
    return this.#catalogs.has(name) || this.#routes.some((route) => ownersOf(route).includes(name));
  }

  #service(name: string): ServiceRuntime {
    const known = this.#services.get(name);
    if (known !== undefined) return known;
    const service = new ServiceRuntime({
      service: name,
      config: () => this.#config,
      addresses: () => this.#addresses.policy,
      onHealth: (news) => {
        this.#listeners.healthChanged(name, news);
      },
      onAnswered: ({ tags }) => {
        this.#tables.answered(name, tags);
      },
      onLiveness: () => {
        this.#tables.livenessChanged(name);
      },
      onWatch: this.#listeners.watchChanged,
      now: this.#options.now,
      random: this.#options.random,
    });
    this.#services.set(name, service);
    return service;
  }
}

/** Whether no claim can replace a route: the configuration owns its prefix, and the prefix is not the root. */
function isCertain(route: Route | undefined): boolean {
  return route !== undefined && route.source === 'config' && route.prefix !== '/' && route.claims !== 'below';
}
