import type { RouteClaim } from '@roundhouse/agent-sdk/internal';

import { routeName, type Route } from './route.ts';

/** A service's claim on a route, as its registered instances state it. */
export interface ServiceClaim {
  readonly service: string;
  readonly claim: RouteClaim;
  /** Instances that carry it and serve. */
  readonly serving: number;
  /** Smallest registry index of an instance that carries it: who was first. */
  readonly since: number;
}

/** A claim that is not followed, and why. */
export interface RejectedClaim {
  readonly service: string;
  readonly host: string | undefined;
  readonly prefix: string;
  readonly strip: string | undefined;
  readonly reason: string;
}

/** What is routed where: the outcome of {@link resolveRoutes}, and what it needs to know the next time. */
export interface RouteOwnership {
  readonly routes: readonly Route[];
  readonly rejected: readonly RejectedClaim[];
  /** Routes that the registry gave, by name; they outlive their claims, so that a claimed path is 503 and not 404. */
  readonly remembered: ReadonlyMap<string, Route>;
}

export const noOwnership: RouteOwnership = { routes: [], rejected: [], remembered: new Map() };

/** Registry routes remembered without a claim; the oldest are forgotten beyond this. */
const maxRemembered = 10_000;

export interface OwnershipFacts {
  /** Routes from the config, and the built-in ones. */
  readonly configured: readonly Route[];
  readonly claims: readonly ServiceClaim[];
  /** Whether a service has ever had an instance in the registry. */
  readonly wasSeen: (service: string) => boolean;
}

/**
 * Who owns which route. The config always does. A built-in route does, unless its own service was never seen and another claims it.
 * Among claims the incumbent keeps its route as long as one of its instances claims it; then the one registered first follows.
 * When one service claims a route in two variants (a rolling change of `strip`), the one that more instances serve holds.
 */
export function resolveRoutes(before: RouteOwnership, facts: OwnershipFacts): RouteOwnership {
  const byName = new Map<string, [ServiceClaim, ...ServiceClaim[]]>();
  for (const claim of facts.claims) {
    const name = routeName(claim.claim);
    const rivals = byName.get(name);
    if (rivals === undefined) byName.set(name, [claim]);
    else rivals.push(claim);
  }
  const routes: Route[] = [];
  const rejected: RejectedClaim[] = [];
  const remembered = new Map(before.remembered);

  for (const route of facts.configured) {
    const name = routeName(route);
    const claims = byName.get(name) ?? [];
    const own = mostServed(claims.filter((claim) => claim.service === route.service));
    if (
      route.source === 'default' &&
      yields(route, claims, { wasSeen: facts.wasSeen, incumbent: remembered.get(name)?.service })
    )
      continue;
    byName.delete(name);
    remembered.delete(name);
    routes.push(
      route.source === 'default' && own !== undefined ? { ...route, strip: own.claim.strip } : route,
    );
    const owner =
      route.source === 'config'
        ? `the configuration gives it to ${route.service}`
        : `it belongs to ${route.service}`;
    rejected.push(
      ...claims.filter((claim) => claim.service !== route.service).map((claim) => reject(claim, owner)),
    );
  }

  for (const [name, claims] of byName) {
    const incumbent = remembered.get(name);
    const winner = winnerOf(claims, incumbent?.service);
    if (incumbent === undefined || !isRouteOf(incumbent, winner)) {
      remembered.delete(name);
      remembered.set(name, routeOf(winner));
    }
    if (claims.length === 1) continue;
    const reason = `it belongs to ${winner.service}, which claimed it first`;
    rejected.push(
      ...claims.filter((claim) => claim.service !== winner.service).map((claim) => reject(claim, reason)),
    );
  }

  const configured = new Set(routes.map(routeName));
  const unclaimed = remembered.size - byName.size;
  if (unclaimed > maxRemembered) {
    const old = [...remembered.keys()]
      .filter((name) => !byName.has(name))
      .slice(0, unclaimed - maxRemembered);
    for (const name of old) remembered.delete(name);
  }
  routes.push(...[...remembered].filter(([name]) => !configured.has(name)).map(([, route]) => route));
  return { routes, rejected, remembered };
}

/** A built-in route gives way to a claim made before its own service was ever seen, for as long as that claim stands. */
function yields(
  route: Route,
  claims: readonly ServiceClaim[],
  { wasSeen, incumbent }: Pick<OwnershipFacts, 'wasSeen'> & { readonly incumbent: string | undefined },
): boolean {
  const others = claims.filter((claim) => claim.service !== route.service);
  return others.some((claim) => !wasSeen(route.service) || claim.service === incumbent);
}

function routeOf({ service, claim }: ServiceClaim): Route {
  const { host, prefix, strip, tag } = claim;
  return { host, prefix, service, strip, tag, timeouts: {}, source: 'registry' };
}

function reject({ service, claim }: ServiceClaim, reason: string): RejectedClaim {
  return { service, host: claim.host, prefix: claim.prefix, strip: claim.strip, reason };
}

/** The incumbent while it still claims, else who was first; of its variants the most served. `claims` is not empty. */
function winnerOf(
  claims: readonly [ServiceClaim, ...ServiceClaim[]],
  incumbent: string | undefined,
): ServiceClaim {
  const [first, ...rest] = claims;
  if (rest.length === 0) return first;
  const owner = claims.some((claim) => claim.service === incumbent) ? incumbent : earliest(claims)?.service;
  return mostServed(claims.filter((claim) => claim.service === owner)) ?? first;
}

/** Whether a route is what a claim would make, so that the same object can stand for it. */
function isRouteOf(route: Route, { service, claim }: ServiceClaim): boolean {
  return route.service === service && route.tag === claim.tag && route.strip === claim.strip;
}

function mostServed(claims: readonly ServiceClaim[]): ServiceClaim | undefined {
  return [...claims].sort(
    (a, b) => b.serving - a.serving || a.since - b.since || order(a.claim.tag, b.claim.tag),
  )[0];
}

function earliest(claims: readonly ServiceClaim[]): ServiceClaim | undefined {
  return [...claims].sort((a, b) => a.since - b.since || order(a.service, b.service))[0];
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
