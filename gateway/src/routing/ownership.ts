import { builtInIncumbent } from './built-in.ts';
import type { Incumbent, OwnershipFacts, RejectedClaim, ServiceClaim } from './claims.ts';
import { configuredPrefixes } from './configured-prefixes.ts';
import { contest, type Contestants, isRouteOf, routeOf } from './contest.ts';
import { ownersOf, routeName, type Route } from './route.ts';

/** What is routed where: the outcome of {@link resolveRoutes}, and what it needs to know the next time. */
export interface RouteOwnership {
  readonly routes: readonly Route[];
  readonly rejected: readonly RejectedClaim[];
  /** Routes that the registry gave, and built-in ones, by name; they outlive their claims, so that a claimed path is 503 and not 404. */
  readonly remembered: ReadonlyMap<string, Incumbent>;
  /** The present owner of each configured route with several, by name. */
  readonly chosen: ReadonlyMap<string, string>;
  /** Services on whose liveness it depends who owns something. */
  readonly contested: ReadonlySet<string>;
  /** Services of built-in routes that were not seen yet, or are forgotten. */
  readonly unseen: ReadonlySet<string>;
}

export const noOwnership: RouteOwnership = {
  routes: [],
  rejected: [],
  remembered: new Map(),
  chosen: new Map(),
  contested: new Set(),
  unseen: new Set(),
};

/** Registry routes remembered without a claim; the oldest are forgotten beyond this. */
const maxRemembered = 10_000;

/**
 * Who owns which route. The config always does, with all that lies below; among several owners the one that serves does. For built-in
 * routes see {@link builtInIncumbent}, for claims {@link contest}. A route without a claim is kept for as long as its owner may come back.
 */
export function resolveRoutes(before: RouteOwnership, facts: OwnershipFacts): RouteOwnership {
  const refusalOf = configuredPrefixes(facts.configured);
  const { byName, rejected, rivals } = sortClaims(facts.claims, refusalOf);
  const routes: Route[] = [];
  const remembered = new Map(before.remembered);
  const chosen = new Map<string, string>();
  const contested = new Set<string>();
  const builtIn = new Map<string, Incumbent>();
  /** Services that are there and have lost their built-in route to a claim. */
  const waiting = new Map<string, string>();
  const unseen = new Set<string>();

  for (const route of facts.configured) {
    const name = routeName(route);
    if (route.source === 'config') {
      const owner = chooseOwner(route, before.chosen.get(name), facts);
      if (route.owners !== undefined) {
        chosen.set(name, owner);
        for (const service of route.owners) contested.add(service);
      }
      byName.delete(name);
      remembered.delete(name);
      routes.push(withRivals({ ...route, service: owner }, rivals.get(route) ?? []));
      continue;
    }
    const claims = byName.get(name) ?? [];
    const incumbent = builtInIncumbent(route, { claims, incumbent: remembered.get(name) }, facts);
    if (incumbent === undefined) {
      if (facts.isListed(route.service)) waiting.set(name, route.service);
      else unseen.add(route.service);
      continue;
    }
    const others = claims.filter((claim) => claim.service !== route.service);
    byName.delete(name);
    remembered.delete(name);
    const mine = withRivals(incumbent.route, servicesOf(others));
    builtIn.set(name, { ...incumbent, route: mine });
    routes.push(mine);
    const away = incumbent.isClaimed ? '' : ', which has no instance now, and may come back';
    rejected.push(...others.map((claim) => reject(claim, `it belongs to ${route.service}${away}`)));
  }

  for (const [name, claims] of byName) {
    const incumbent = remembered.get(name);
    const { winner, reason } = contest({ name, claims, incumbent }, facts);
    const others = claims.filter(({ service }) => service !== (winner?.service ?? incumbent?.route.service));
    const route = winner === undefined ? incumbent?.route : routeOf(winner);
    if (route === undefined) continue;
    const waits = waiting.get(name);
    const rivals = servicesOf(others);
    if (waits !== undefined && waits !== route.service && !rivals.includes(waits)) {
      rivals.push(waits);
      const { host, prefix, service } = route;
      const reason = `it belongs to ${service}, which claimed it first`;
      rejected.push({ service: waits, host, prefix, strip: undefined, reason });
    }
    if (rivals.length > 0) for (const service of [route.service, ...rivals]) contested.add(service);
    const next = nextIncumbent({ name, claims, incumbent }, withRivals(route, rivals), facts);
    if (next !== incumbent) {
      if (next.route.service !== incumbent?.route.service) remembered.delete(name);
      remembered.set(name, next);
    }
    rejected.push(...others.map((claim) => reject(claim, reason)));
  }

  forgetUnclaimed(remembered, byName, { ...facts, refusalOf });
  routes.push(...[...remembered.values()].map(({ route }) => route));
  for (const [name, incumbent] of builtIn) remembered.set(name, incumbent);
  return { routes, rejected, remembered, chosen, contested, unseen };
}

/** When an owner that has no live instance loses its route next; Infinity: never, as things are. */
export function nextReleaseMs(
  { remembered }: RouteOwnership,
  { nowMs, releaseAfterMs }: Pick<OwnershipFacts, 'nowMs' | 'releaseAfterMs'>,
): number {
  let next = Infinity;
  for (const { idleSinceMs = Infinity } of remembered.values()) {
    const atMs = idleSinceMs + releaseAfterMs;
    if (atMs > nowMs) next = Math.min(next, atMs);
  }
  return next;
}

/** How long the routes without a claim have had no live instance, and when they are forgotten; both from now, by name. */
export function rememberedRoutes(
  { remembered }: RouteOwnership,
  { nowMs, releaseAfterMs }: Pick<OwnershipFacts, 'nowMs' | 'releaseAfterMs'>,
): ReadonlyMap<string, { readonly idleForMs: number; readonly forgottenInMs: number }> {
  const rows = [...remembered].filter(([, { isClaimed }]) => !isClaimed);
  return new Map(
    rows.map(([name, { idleSinceMs = nowMs }]) => {
      const idleForMs = Math.round(nowMs - idleSinceMs);
      return [name, { idleForMs, forgottenInMs: Math.max(0, releaseAfterMs - idleForMs) }];
    }),
  );
}

type RefusalOf = ReturnType<typeof configuredPrefixes>;

/** The claims by the names of their routes, without those that the configuration refuses. */
function sortClaims(
  claims: readonly ServiceClaim[],
  refusalOf: RefusalOf,
): {
  readonly byName: Map<string, Contestants['claims']>;
  readonly rejected: RejectedClaim[];
  readonly rivals: ReadonlyMap<Route, readonly string[]>;
} {
  const byName = new Map<string, [ServiceClaim, ...ServiceClaim[]]>();
  const rejected: RejectedClaim[] = [];
  const rivals = new Map<Route, readonly string[]>();
  for (const claim of claims) {
    const refusal = refusalOf(claim.claim);
    if (refusal !== undefined) {
      const { route, isSamePrefix, reason } = refusal;
      // What it claims, it has.
      if (route !== undefined && ownersOf(route).includes(claim.service)) continue;
      rejected.push(reject(claim, reason));
      if (route !== undefined && isSamePrefix)
        rivals.set(route, [...new Set([...(rivals.get(route) ?? []), claim.service])]);
      continue;
    }
    const name = routeName(claim.claim);
    const others = byName.get(name);
    if (others === undefined) byName.set(name, [claim]);
    else others.push(claim);
  }
  return { byName, rejected, rivals };
}

/** Of several owners the present one while it serves, else the first that does. */
function chooseOwner(route: Route, present: string | undefined, { isLive }: OwnershipFacts): string {
  if (route.owners === undefined) return route.service;
  const isOwner = present !== undefined && route.owners.includes(present);
  const order = isOwner ? [present, ...route.owners] : route.owners;
  return order.find((service) => isLive(service, undefined)) ?? order[0] ?? route.service;
}

/** The owner as it is remembered from now on; the same object when nothing has changed. */
function nextIncumbent(
  { name, claims, incumbent }: Contestants,
  route: Route,
  { hasAnswered, isLive, nowMs }: OwnershipFacts,
): Incumbent {
  const own = claims.filter(({ service }) => service === route.service);
  const isAlone = own.length === claims.length;
  const lives = own.some(
    ({ serving, claim }) => serving > 0 && (isAlone || isLive(route.service, claim.tag)),
  );
  const isSame = incumbent?.route.service === route.service;
  const idleSinceMs = lives ? undefined : ((isSame ? incumbent.idleSinceMs : undefined) ?? nowMs);
  const served = (isSame && incumbent.served) || hasAnswered(name, route.service);
  const isKept = isSame && isRouteOf(incumbent.route, route);
  if (isKept && incumbent.isClaimed && incumbent.idleSinceMs === idleSinceMs && incumbent.served === served)
    return incumbent;
  return { route: isKept ? incumbent.route : route, isClaimed: true, served, idleSinceMs };
}

/** Forgets routes without a claim when the configuration has them now, when their owner has been away for long, or when there are too many. */
function forgetUnclaimed(
  remembered: Map<string, Incumbent>,
  claimed: ReadonlyMap<string, unknown>,
  { refusalOf, nowMs, releaseAfterMs, hasAnswered }: OwnershipFacts & { readonly refusalOf: RefusalOf },
): void {
  const unclaimed = [...remembered].filter(([name]) => !claimed.has(name));
  const tooMany = unclaimed.length - maxRemembered;
  unclaimed.forEach(([name, { route, ...before }], index) => {
    const { idleSinceMs = nowMs } = before;
    const isOver = nowMs - idleSinceMs >= releaseAfterMs;
    const served = before.served || hasAnswered(name, route.service);
    // What is left here of a built-in route is one that this configuration does not have.
    const isBuiltIn = route.source === 'default';
    if (index < tooMany || isOver || isBuiltIn || refusalOf(route) !== undefined) remembered.delete(name);
    else remembered.set(name, { route: withRivals(route, []), isClaimed: false, idleSinceMs, served });
  });
}

function withRivals(route: Route, rivals: readonly string[]): Route {
  const { rivals: before, ...plain } = route;
  if (rivals.length > 0) return { ...plain, rivals };
  return before === undefined ? route : plain;
}

function servicesOf(claims: readonly ServiceClaim[]): string[] {
  return [...new Set(claims.map(({ service }) => service))];
}

function reject({ service, claim }: ServiceClaim, reason: string): RejectedClaim {
  return { service, host: claim.host, prefix: claim.prefix, strip: claim.strip, reason };
}
