import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { Destination } from '../../exchange/destination.ts';
import {
  noOwnership,
  resolveRoutes,
  type OwnershipFacts,
  type RejectedClaim,
  type RouteOwnership,
} from '../../routing/ownership.ts';
import { routeName, type Route } from '../../routing/route.ts';
import type { TableChange } from '../registry-listener.ts';
import type { ServiceRuntime } from '../services/service-runtime.ts';
import { createRouteTable, type RouteTable } from '../../routing/route-table.ts';

/** Inputs of the tables, and the listener. */
export interface RouteTablesOptions {
  readonly facts: () => OwnershipFacts;
  /** The present target of a route. `known` is its target in the last table, and is returned when it still applies. */
  readonly destination: (route: Route, known: Destination | undefined) => Destination;
  /** Called with every table that differs from the one before. */
  readonly onChange: (change: TableChange) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Holds the route table in use. Replaces it as a whole, at a limited rate. */
export interface RouteTables {
  readonly table: RouteTable;
  readonly ownership: RouteOwnership;
  resolve(host: string, path: string): Destination | undefined;
  routesOf(service: string): readonly Route[];
  /** Makes a new table soon: at once, unless one has just been made. */
  request(): void;
  /** Makes the table that was asked for now, if it has not been made yet. */
  flush(): void;
  /** Makes a new table now, without calling the listener. */
  swap(): void;
  /** Makes a new table now, and reuses no target of the last table. */
  renew(): void;
  /** Routes that were known before the registry answered, and their owners. */
  remember(routes: readonly Route[]): void;
  /** Fixes the present owners of routes. Before this call, every table settles all claims afresh, regardless of arrival order. */
  settle(): void;
  stop(): void;
}

/** Minimum pause after a table. A storm of registrations makes ten tables a second at most. */
const minIntervalMs = 100;
/** Minimum pause as a multiple of the time that the last table took. Tables take a third of the time at most. */
const pauseFactor = 2;

export function createRouteTables(options: RouteTablesOptions): RouteTables {
  return new RouteTablesState(options);
}

class RouteTablesState implements RouteTables {
  readonly #options: RouteTablesOptions;
  #timer: NodeJS.Timeout | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #phase: 'open' | 'settled' = 'open';
  #atStart: RouteOwnership = noOwnership;
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

  routesOf(service: string): readonly Route[] {
    return this.#byService.get(service) ?? [];
  }

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

  flush(): void {
    if (this.#timer === undefined) return;
    this.stop();
    this.#rebuild();
  }

  swap(): void {
    this.ownership = resolveRoutes(
      this.#phase === 'settled' ? this.ownership : this.#atStart,
      this.#options.facts(),
    );
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

  renew(): void {
    this.stop();
    this.#destinations = new Map();
    this.#rebuild();
  }

  remember(routes: readonly Route[]): void {
    const remembered = new Map(routes.map((route) => [routeName(route), route]));
    this.#atStart = { ...noOwnership, remembered };
  }

  settle(): void {
    this.#phase = 'settled';
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #rebuild(): void {
    const { now, onChange } = this.#options;
    const startedMs = now();
    const { routes: before } = this.table;
    const { rejected } = this.ownership;
    this.swap();
    const { routes: after } = this.table;
    const newClaims = newlyRejected(rejected, this.ownership.rejected);
    if (newClaims.length > 0 || !sameRoutes(before, after)) onChange({ before, after, rejected: newClaims });
    const endedMs = now();
    this.#notBeforeMs = endedMs + Math.max(minIntervalMs, pauseFactor * (endedMs - startedMs));
  }
}

/** The target of a route: its service's upstream and settings, with the route's own overrides of the global ones. */
export function destinationOf(
  config: Pick<GatewayConfig, 'timeouts' | 'retry' | 'hedgeAfterMs'>,
  route: Route,
  {
    upstream,
    demand,
    budget,
    state: { settings },
  }: Pick<ServiceRuntime, 'upstream' | 'demand' | 'budget' | 'state'>,
  known: Destination | undefined,
): Destination {
  const { hash, sticky } = settings;
  const isKnown =
    known?.upstream === upstream && known.budget === budget && known.hash === hash && known.sticky === sticky;
  if (isKnown) return known;
  const { attempts, statuses, nonIdempotent } = config.retry;
  return {
    route,
    upstream,
    demand,
    timeouts: { ...config.timeouts, ...route.timeouts },
    retry: { attempts, statuses, nonIdempotent, ...route.retry },
    hedgeAfterMs: route.hedgeAfterMs ?? config.hedgeAfterMs,
    hash,
    sticky,
    budget,
  };
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
