import type { Destination } from '../../exchange/destination.ts';
import type { Incumbent, OwnershipFacts, RejectedClaim } from '../../routing/claims.ts';
import {
  nextReleaseMs,
  noOwnership,
  rememberedRoutes,
  resolveRoutes,
  type RouteOwnership,
} from '../../routing/ownership.ts';
import { routeName, type Route } from '../../routing/route.ts';
import type { TableChange } from '../registry-listener.ts';
import { createRouteTable, type RouteTable } from '../../routing/route-table.ts';

/** Inputs of the tables, and the listener. */
export interface RouteTablesOptions {
  readonly facts: () => Omit<OwnershipFacts, 'hasAnswered' | 'nowMs' | 'released'>;
  /** The present target of a route. `known` is its target in the last table, and is returned when it still applies. */
  readonly destination: (route: Route, known: Destination | undefined) => Destination;
  /** Called with every table that differs from the one before. */
  readonly onChange: (change: TableChange) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Minimum pause after a table. A storm of registrations makes ten tables a second at most. */
const minIntervalMs = 100;
/** Minimum pause as a multiple of the time that the last table took. Tables take a third of the time at most. */
const pauseFactor = 2;
const longestTimerMs = 2_147_483_647;

/** Holds the route table in use. Replaces it as a whole, at a limited rate. Ended by `stop`. */
export class RouteTables {
  readonly #options: RouteTablesOptions;
  #timer: NodeJS.Timeout | undefined;
  #releaseTimer: NodeJS.Timeout | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #phase: 'open' | 'settled' = 'open';
  #atStart: RouteOwnership = noOwnership;
  /** Owners that have answered and are not known for it yet: `name service`. */
  readonly #answered = new Set<string>();
  #destinations: ReadonlyMap<Route, Destination> = new Map();
  #byService: ReadonlyMap<string, readonly Route[]> = new Map();
  table: RouteTable = createRouteTable([]);
  ownership: RouteOwnership = noOwnership;

  constructor(options: RouteTablesOptions) {
    this.#options = options;
  }

  resolve(host: string, path: string): Destination | undefined {
    const route = this.table.match(host, path);
    return route === undefined ? undefined : this.#destinations.get(route);
  }

  /** Routes that no instance claims any more, by name, until they are forgotten. */
  get remembered(): ReturnType<typeof rememberedRoutes> {
    const { facts, now } = this.#options;
    return rememberedRoutes(this.ownership, { ...facts(), nowMs: now() });
  }

  routesOf(service: string): readonly Route[] {
    return this.#byService.get(service) ?? [];
  }

  /** Makes a new table soon: at once, unless one has just been made. */
  request(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#notBeforeMs - this.#options.now();
    if (waitMs <= 0) {
      this.#rebuild();
    } else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#rebuild();
      }, waitMs);
    }
  }

  /** Makes the table that was asked for now, if it has not been made yet. */
  flush(): void {
    if (this.#timer === undefined) return;
    this.stop();
    this.#rebuild();
  }

  /** Makes a new table now, without calling the listener. */
  swap(nowMs = this.#options.now(), released?: OwnershipFacts['released']): void {
    this.#resolve({ ...this.#options.facts(), nowMs, released });
    const table = createRouteTable(this.ownership.routes);
    const byService = new Map<string, Route[]>();
    for (const route of table.routes) {
      const routes = byService.get(route.service);
      if (routes === undefined) byService.set(route.service, [route]);
      else routes.push(route);
    }
    this.#destinations = new Map(
      table.routes.map((route) => [route, this.#options.destination(route, this.#destinations.get(route))]),
    );
    this.#byService = byService;
    this.table = table;
  }

  #resolve(known: Omit<OwnershipFacts, 'hasAnswered'>): void {
    const hasAnswered = (name: string, service: string): boolean => this.#answered.has(`${name} ${service}`);
    const before = this.#phase === 'settled' ? this.ownership : this.#atStart;
    this.ownership = resolveRoutes(before, { ...known, hasAnswered });
    if (this.#phase === 'settled') this.#answered.clear();
    clearTimeout(this.#releaseTimer);
    const inMs = Math.ceil(nextReleaseMs(this.ownership, known) - known.nowMs);
    if (inMs !== Infinity) {
      this.#releaseTimer = setTimeout(
        () => {
          this.request();
        },
        Math.min(inMs, longestTimerMs),
      ).unref();
    }
  }

  /** Makes a new table now, and reuses no target of the last table. */
  renew(): void {
    this.stop();
    this.#destinations = new Map();
    this.#rebuild();
  }

  /** Owners that were known before this start. One that has served keeps its route by the usual rules; call before the first request. */
  remember(owners: readonly Incumbent[]): void {
    const before = this.#phase === 'settled' ? this.ownership : this.#atStart;
    const remembered = new Map(before.remembered);
    for (const owner of owners) remembered.set(routeName(owner.route), owner);
    if (this.#phase === 'settled') this.ownership = { ...before, remembered };
    else this.#atStart = { ...before, remembered };
    this.request();
  }

  /** An instance with these tags has answered: what its service owns by them, it has served. */
  answered(service: string, tags: readonly string[]): void {
    const known = this.#answered.size;
    const carried = new Set(tags);
    for (const route of this.routesOf(service)) {
      const name = routeName(route);
      const isNew = this.ownership.remembered.get(name)?.served === false;
      if (isNew && route.tag !== undefined && carried.has(route.tag))
        this.#answered.add(`${name} ${service}`);
    }
    if (this.#answered.size > known) this.request();
  }

  /** An instance of the service may have come to life or failed: whether that changes who owns something is found out in the next turn. */
  livenessChanged(service: string): void {
    if (!this.ownership.contested.has(service)) return;
    queueMicrotask(() => {
      this.request();
    });
  }

  /** See `Registry.releaseRoute`. */
  release(name: string): string | undefined {
    const owner = this.ownership.remembered.get(name)?.route.service;
    if (owner === undefined) return undefined;
    this.#atStart = without(this.#atStart, name);
    this.ownership = without(this.ownership, name);
    this.#answered.delete(`${name} ${owner}`);
    this.stop();
    this.#rebuild({ name, service: owner });
    return owner;
  }

  /** Fixes the present owners of routes. Before this call, every table settles all claims afresh, regardless of arrival order. */
  settle(): void {
    this.#phase = 'settled';
  }

  stop(): void {
    clearTimeout(this.#releaseTimer);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #rebuild(released?: OwnershipFacts['released']): void {
    const { now, onChange } = this.#options;
    const startedMs = now();
    const { routes: before } = this.table;
    const { rejected } = this.ownership;
    const hasServed = this.#answered.size > 0;
    this.swap(startedMs, released);
    const { routes: after } = this.table;
    const newClaims = newlyRejected(rejected, this.ownership.rejected);
    if (hasServed || newClaims.length > 0 || !sameRoutes(before, after))
      onChange({ before, after, rejected: newClaims });
    const endedMs = now();
    this.#notBeforeMs = endedMs + Math.max(minIntervalMs, pauseFactor * (endedMs - startedMs));
  }
}

function without(ownership: RouteOwnership, name: string): RouteOwnership {
  return { ...ownership, remembered: new Map([...ownership.remembered].filter(([other]) => other !== name)) };
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
