import type { Incumbent, OwnershipFacts, ServiceClaim } from './claims.ts';
import { keepsRoute, mostServed } from './contest.ts';
import { routeName, type Route } from './route.ts';

/**
 * The own service of a built-in route as its incumbent, from its first instance on until it has had none for `releaseAfterMs`. Undefined:
 * claims decide, because the service was not seen yet or is forgotten, because a claim was there before it, or because an operator has
 * taken the route from it.
 */
export function builtInIncumbent(
  route: Route,
  {
    claims,
    incumbent,
  }: { readonly claims: readonly ServiceClaim[]; readonly incumbent: Incumbent | undefined },
  facts: OwnershipFacts,
): Incumbent | undefined {
  const { isListed, nowMs, releaseAfterMs, released } = facts;
  const { service } = route;
  const name = routeName(route);
  const isForeign = incumbent !== undefined && incumbent.route.service !== service;
  if (isForeign && keepsRoute({ name, claims, incumbent }, facts)) return undefined;
  const own = claims.filter((claim) => claim.service === service);
  if (released?.name === name && released.service === service && own.length < claims.length) return undefined;
  if (isListed(service)) {
    const strip = mostServed(own)?.claim.strip;
    return {
      route: strip === undefined ? route : { ...route, strip },
      isClaimed: true,
      served: true,
      idleSinceMs: undefined,
    };
  }
  if (incumbent?.route.source !== 'default') return undefined;
  const { idleSinceMs = nowMs } = incumbent;
  if (nowMs - idleSinceMs >= releaseAfterMs) return undefined;
  const { strip } = incumbent.route;
  return {
    route: strip === undefined ? route : { ...route, strip },
    isClaimed: false,
    served: true,
    idleSinceMs,
  };
}
