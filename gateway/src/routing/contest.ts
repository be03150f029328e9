import type { Incumbent, OwnershipFacts, ServiceClaim } from './claims.ts';
import type { Route } from './route.ts';

/** Who wants one route. */
export interface Contestants {
  readonly name: string;
  readonly claims: readonly [ServiceClaim, ...ServiceClaim[]];
  readonly incumbent: Incumbent | undefined;
}

/** Who gets it; `winner` is undefined when the incumbent keeps it without a claim. */
export interface Verdict {
  readonly winner: ServiceClaim | undefined;
  /** Why the others don't, for a person. */
  readonly reason: string;
}

/**
 * Who gets a route that services claim. The incumbent keeps it while it lives; one that has served keeps it until it has had no live
 * instance for `releaseAfterMs`, or an operator releases it. A service that lives and no longer claims its route has given it up. An
 * incumbent that never answered owns nothing: a claim that lives takes its place as soon as it does not. Without an incumbent the claim
 * that lives wins, of several the one registered first. When one service claims a route in two variants (a rolling change of `strip`), the
 * one that more instances serve holds.
 */
export function contest({ name, claims, incumbent }: Contestants, facts: OwnershipFacts): Verdict {
  const owner = incumbent?.route.service;
  const own = claims.filter(({ service }) => service === owner);
  if (own.length === claims.length) return { winner: mostServed(own), reason: '' };
  if (incumbent !== undefined && owner !== undefined && keepsRoute({ name, claims, incumbent }, facts)) {
    const reason = `it belongs to ${owner}, which claimed it first`;
    return {
      winner: mostServed(own),
      reason: facts.isLive(owner, incumbent.route.tag) ? reason : waits(owner),
    };
  }
  const { released } = facts;
  const others = claims.filter(({ service }) => released?.name !== name || service !== released.service);
  const service = first(others.length > 0 ? others : claims, owner, facts);
  return {
    winner: mostServed(claims.filter((claim) => claim.service === service)),
    reason: `it belongs to ${service}, which claimed it first`,
  };
}

function waits(owner: string): string {
  return `it belongs to ${owner}, which has served it, has no live instance now, and may come back`;
}

/** Whether the incumbent of a route keeps it against others. */
export function keepsRoute(
  {
    name,
    claims,
    incumbent,
  }: { readonly name: string; readonly claims: readonly ServiceClaim[]; readonly incumbent: Incumbent },
  { isLive, hasAnswered, nowMs, releaseAfterMs }: OwnershipFacts,
): boolean {
  const { service } = incumbent.route;
  const own = claims.filter((claim) => claim.service === service);
  if (own.some(({ claim }) => isLive(service, claim.tag))) return true;
  const hasServed = incumbent.served || hasAnswered(name, service);
  const hasGivenUp = own.length === 0 && isLive(service, undefined);
  return hasServed && !hasGivenUp && nowMs - (incumbent.idleSinceMs ?? nowMs) < releaseAfterMs;
}

/** Of the claims that live, else of all, the incumbent's, else the one registered first, then by name. */
function first(
  claims: readonly ServiceClaim[],
  incumbent: string | undefined,
  { isLive }: OwnershipFacts,
): string {
  const living = claims.filter(({ service, claim }) => isLive(service, claim.tag));
  const candidates = living.length > 0 ? living : claims;
  if (candidates.some(({ service }) => service === incumbent)) return incumbent ?? '';
  const [earliest] = [...candidates].sort((a, b) => a.since - b.since || order(a.service, b.service));
  return earliest?.service ?? '';
}

/** The route that a claim makes. */
export function routeOf({ service, claim }: ServiceClaim): Route {
  const { host, prefix, strip, tag } = claim;
  return { host, prefix, service, strip, tag, timeouts: {}, source: 'registry' };
}

/** Whether two routes of claims are the same, so that the same object can stand for both. */
export function isRouteOf(route: Route, other: Route): boolean {
  return (
    route.service === other.service &&
    route.tag === other.tag &&
    route.strip === other.strip &&
    (route.rivals ?? []).join('\n') === (other.rivals ?? []).join('\n')
  );
}

/** Of the variants in which one service claims a route, the one that more instances serve. */
export function mostServed(claims: readonly ServiceClaim[]): ServiceClaim | undefined {
  if (claims.length < 2) return claims[0];
  return [...claims].sort(
    (a, b) => b.serving - a.serving || a.since - b.since || order(a.claim.tag, b.claim.tag),
  )[0];
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
