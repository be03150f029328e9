import {
  type Demand,
  fixedSnapshot,
  type HeldProbe,
  type Notice,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
  yieldTurn,
} from '@roundhouse/agent-sdk/internal';

import type { Provisioned } from '../config/live-config.ts';
import type { Destination } from '../exchange/destination.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import type { RouteTable } from '../routing/route-table.ts';
import { ownersOf, type Route } from '../routing/route.ts';
import type { AddressRules } from '../config/gateway-config.ts';
import type { AddressFacts, AddressPolicy } from './addresses/address-policy.ts';
import { JudgedAddresses } from './addresses/judged-addresses.ts';
import type { SavedTable } from './persistence/saved-table-format.ts';
import { ownersAt, savedTableOf, seedsOf } from './persistence/saved-services.ts';
import { Conditions } from './conditions.ts';
import { FirstAnswers } from './first-answers.ts';
import {
  claimingServices,
  configured,
  isCertain,
  listedServices,
  type RegistryConfig,
  routesOf,
  watchedServices,
} from './configured-services.ts';
import { Listeners } from './registry-listener.ts';
import { HeldReleases } from './services/held-releases.ts';
import { ServiceRuntime, type ServiceView } from './services/service-runtime.ts';
import { ServiceUpdates } from './services/service-updates.ts';
import { Catalogs } from './sources/catalogs.ts';
import type { RegistrySource } from './sources/registry-source.ts';
import { SourceWatches } from './sources/source-watches.ts';
import { savedWatchState, type WatchState } from './sources/watch-state.ts';
import { RouteTables } from './table/route-tables.ts';

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

/** How long {@link Registry.provision} waits for the first answers about services that become routed. */
const firstAnswersMs = 1_000;

/**
 * The control path: follows the catalog and every routed service, and keeps table and upstreams up to date. Serves fixed lists only, until
 * {@link Registry.run}.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #services = new Map<string, ServiceRuntime>();
  readonly #updates: ServiceUpdates;
  readonly #catalogs: Catalogs;
  readonly #watches: SourceWatches;
  readonly #tables: RouteTables;
  readonly #held: HeldReleases;
  readonly #listeners = new Listeners();
  readonly subscribe = this.#listeners.subscribe;
  readonly #awaited = new Conditions();
  readonly #firstAnswers: FirstAnswers;
  /** Resolves when the catalog and the services known at the start have answered once. */
  readonly synced: Promise<void>;
  /** The reason to refuse an address that an instance's host name resolves to, or undefined. Bound; may be passed on. */
  readonly judgeResolved: (address: string, hostname: string) => string | undefined;
  #config: RegistryConfig;
  #routes: readonly Route[];
  readonly #addresses: JudgedAddresses;
  #isSynced = false;
  /** Whether all claims of services are known, from their first answers or from a saved table. */
  areClaimsKnown = false;

  constructor(options: RegistryOptions) {
    const { config, sources, now } = options;
    this.#options = options;
    this.#config = config;
    this.#routes = routesOf(config);
    this.#addresses = new JudgedAddresses(config.addresses, options.addressPolicy, () =>
      [...this.#services.values()].map(({ state }) => state),
    );
    this.judgeResolved = this.#addresses.judgeResolved;
    const holdPolicy = (): RegistryConfig['guard'] => this.#config.guard;
    this.#catalogs = new Catalogs({ sources, holdPolicy, now, listeners: this.#listeners });
    const demand = (name: string): Demand => this.#service(name).demand;
    this.#watches = new SourceWatches({ sources, holdPolicy, demand, onEvent: this.#onEvent });
    this.#firstAnswers = new FirstAnswers(sources, this.#catalogs, this.#watches, this.#services);
    this.#tables = new RouteTables({
      now,
      facts: () => ({
        configured: this.#routes,
        claims: [...this.#services.values()].flatMap(({ claims }) => claims.claims),
        isListed: (service) => (this.#services.get(service)?.state.snapshot?.instances.length ?? 0) > 0,
        isLive: (service, tag) => this.#services.get(service)?.isLive(tag) === true,
        releaseAfterMs: this.#config.routesReleaseAfterMs,
      }),
      destination: (route, known) => this.#service(route.service).destination(route, known),
      onChange: (change) => {
        this.#listeners.tell('tableChanged', change);
      },
    });
    this.#updates = new ServiceUpdates(this.#tables, this.#listeners, (service) => {
      this.#addresses.changed();
      this.#held.follow(service);
    });
    this.#held = new HeldReleases(this.#services, this.#updates, this.#listeners, this.#leaveIfGone);
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
        resolve();
      });
    });
    this.#awaited.check();
  }

  get table(): RouteTable {
    return this.#tables.table;
  }

  get rejected(): readonly RejectedClaim[] {
    return this.#tables.ownership.rejected;
  }

  /** Routes that no instance claims any more, by name, until they are forgotten. */
  get remembered(): RouteTables['remembered'] {
    return this.#tables.remembered;
  }

  /** How the catalogs of all sources stand together. */
  get catalog(): WatchState {
    return this.#catalogs.watch;
  }

  /** What an operator should know about the way to the sources, now. */
  get notices(): readonly Notice[] {
    return this.#catalogs.notices;
  }

  /** Invalid service names in the catalog, shortened and without control characters. */
  get refusedServices(): readonly string[] {
    return this.#catalogs.refused;
  }

  get services(): readonly ServiceView[] {
    return [...this.#services.values()].map((service) => service.view());
  }

  /** One of them, or undefined for a service that is not followed. */
  service(name: string): ServiceView | undefined {
    return this.#services.get(name)?.view();
  }

  /** The only call of the data path. Undefined when no route matches, and for a claimable path while claims are not known yet. */
  resolve(host: string, path: string): Destination | undefined {
    const destination = this.#tables.resolve(host, path);
    if (!this.areClaimsKnown && !isCertain(destination?.route)) return undefined;
    destination?.demand.note();
    return destination;
  }

  /** Reports that an instance asked how its service stands; the registry follows the service closely from then on. */
  asked(name: string): void {
    this.#services.get(name)?.demand.note();
  }

  /** Keys of all endpoints that are listed now. Read it at once: it changes with the registry. */
  readonly listedEndpoints = (): ReadonlySet<string> => this.#updates.listed.keys;

  /** Followed services whose instances are not known yet, without a service that alone can't be read. */
  readonly waitingFor = (): readonly string[] => this.#firstAnswers.waitingFor();

  /**
   * Removes all held instances of a service at once, as the registry says. Returns their ids, or undefined for a service that is not
   * followed. They come back when they are listed again.
   */
  release(name: string): readonly string[] | undefined {
    return this.#held.release(name);
  }

  /**
   * Takes a claimed or built-in route from its owner and gives it to another service that claims it. Without another claim the route is
   * forgotten, unless its owner has instances. `name`: see `routeName`. Returns who had it, or undefined when there is no such route.
   */
  releaseRoute(name: string): string | undefined {
    return this.#tables.release(name);
  }

  /** The gateway's own listeners, as they are bound: instances at their addresses would be a loop. */
  setListeners(listeners: AddressFacts['listeners']): void {
    this.#addresses.follow({ listeners });
    this.#judgeAnew();
  }

  /**
   * Makes ready for another configuration: routes, settings and fixed lists of services, timeouts and retry rules, holds, and which
   * addresses are believed. Services that become routed are looked up, for a second at most. `swap` then changes everything at once;
   * exchanges under way keep what they began with. One change at a time: the caller swaps or discards before the next.
   */
  async provision(config: RegistryConfig): Promise<Provisioned> {
    const routed = watchedServices(config);
    for (const service of routed) this.#follow(service);
    await this.#awaited.within(() => !routed.some(this.#firstAnswers.isUntold), firstAnswersMs);
    const swap = (): void => {
      this.#config = config;
      this.#routes = routesOf(config);
      this.#addresses.follow({ rules: config.addresses });
      this.#followLists();
      this.#judgeAnew();
      this.#tables.renew();
      this.#followRouted();
    };
    const discard = (): void => {
      this.#followRouted();
    };
    return { swap, discard };
  }

  /**
   * Serves what was saved, marked stale, for all services that have had no answer yet, until the registry answers; owners of routes that have
   * served are owners again. Call it while {@link Registry.run} is running, before the first request.
   */
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
    this.#listeners.tell('savedTableAdopted', [...seeds.keys()], ageMs);
    const watch = savedWatchState(ageMs, now());
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

  /** What is worth saving: undefined unless everything is live and nothing is held. */
  savable(): SavedTable | undefined {
    const { catalog } = this.#catalogs;
    if (!this.#isSynced || this.catalog.kind !== 'live' || catalog === undefined) return undefined;
    return savedTableOf(catalog, [...this.#services.values()], {
      owners: [...this.#tables.ownership.remembered.values()],
      nowMs: this.#options.now(),
    });
  }

  /**
   * Follows until the signal aborts; resolves when every watch and probe has ended. Once. `probe` asks held instances whether they
   * live; without it, held instances end by time only.
   */
  async run(signal: AbortSignal, probe?: HeldProbe): Promise<void> {
    if (probe !== undefined) this.#held.start(probe);
    this.#listeners.tell('tableChanged', { before: [], after: this.table.routes, rejected: [] });
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

  /** What depends on the configuration or on address rules is found anew. */
  #judgeAnew(): void {
    for (const service of this.#services.values()) this.#updates.apply(service, { kind: 'reconfigured' });
  }

  /** The configuration's lists take the place of what was known of their services before; what else it routes is waited for. */
  #followLists(): void {
    for (const { service: name, instances } of this.#config.services) {
      if (instances === undefined) continue;
      const service = this.#service(name);
      const snapshot = fixedSnapshot(name, instances);
      this.#updates.apply(service, { kind: 'list', source: configured, watch: { kind: 'fixed' }, snapshot });
      this.#watches.leave(name);
    }
    const lists = listedServices(this.#config);
    for (const [name, service] of this.#services) {
      for (const source of service.state.inputs.keys()) {
        if (lists.has(name) !== (source === configured.name))
          this.#updates.apply(service, { kind: 'dropped', source });
      }
    }
    for (const name of watchedServices(this.#config)) this.#service(name);
  }

  /** Follows what the configuration or a catalog routes, and leaves what is neither known nor there. */
  #followRouted(): void {
    for (const service of watchedServices(this.#config)) this.#follow(service);
    for (const service of claimingServices(this.#config, this.#catalogs)) this.#follow(service);
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
      tables: this.#tables,
      listeners: this.#listeners,
      now: this.#options.now,
      random: this.#options.random,
    });
    this.#services.set(name, service);
    return service;
  }
}
