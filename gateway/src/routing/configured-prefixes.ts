import type { RouteClaim } from '@roundhouse/agent-sdk/internal';

import { ownersOf, routeName, type Route } from './route.ts';

/** A claim on what the configuration keeps. */
export interface ClaimRefusal {
  /** The configured route that it would take from; undefined: no service has it, and only the configuration gives it away. */
  readonly route: Route | undefined;
  /** Whether it claims the very prefix of that route. */
  readonly isSamePrefix: boolean;
  /** For a person. */
  readonly reason: string;
}

/** The service that answers here can get certificates for every host that leads to the gateway (RFC 8555 §8.3). */
const acmePrefix = '/.well-known/acme-challenge';

/**
 * Tells of every claim whether the configuration refuses it. A configured prefix owns its subtree on every host that it is for, unless
 * `claims: below` opens it; of several prefixes that cover a claim the longest decides. Costs one look-up a segment.
 */
export function configuredPrefixes(
  routes: readonly Route[],
): (claim: Pick<RouteClaim, 'host' | 'prefix'>) => ClaimRefusal | undefined {
  const byPrefix = new Map<string, Route[]>();
  for (const route of routes) {
    if (route.source !== 'config') continue;
    const others = byPrefix.get(route.prefix);
    if (others === undefined) byPrefix.set(route.prefix, [route]);
    else others.push(route);
  }
  return (claim) => {
    const route = nearest(byPrefix, claim);
    const isSamePrefix = route?.prefix === claim.prefix;
    // The root of a host lies below the root of all hosts.
    const isBelow =
      !isSamePrefix || (claim.prefix === '/' && route.host === undefined && claim.host !== undefined);
    if (route !== undefined && !(route.claims === 'below' && isBelow)) {
      const all = isSamePrefix ? '' : ', with all that lies below it';
      const reason = `the configuration gives ${routeName(route)} to ${ownersOf(route).join(' or ')}${all}`;
      return { route, isSamePrefix, reason };
    }
    if (!isReserved(claim.prefix) || route?.prefix.startsWith('/.well-known') === true) return undefined;
    const reason = 'who answers there gets certificates for every host; only the configuration gives it away';
    return { route: undefined, isSamePrefix: false, reason };
  };
}

function nearest(
  byPrefix: ReadonlyMap<string, readonly Route[]>,
  { host, prefix }: Pick<RouteClaim, 'host' | 'prefix'>,
): Route | undefined {
  for (let end = prefix.length; end > 0; end = prefix.lastIndexOf('/', end - 1)) {
    const covering = mostSpecific(byPrefix.get(prefix.slice(0, end)), host);
    if (covering !== undefined) return covering;
  }
  return mostSpecific(byPrefix.get('/'), host);
}

function mostSpecific(routes: readonly Route[] | undefined, host: string | undefined): Route | undefined {
  return routes
    ?.filter((route) => coversHost(route.host, host))
    .reduce<Route | undefined>(
      (best, route) =>
        best === undefined || (route.host?.length ?? 0) > (best.host?.length ?? 0) ? route : best,
      undefined,
    );
}

/** Whether every request for `host` (a pattern, too) is one for `pattern`. */
export function coversHost(pattern: string | undefined, host: string | undefined): boolean {
  if (pattern === undefined || pattern === host) return true;
  return pattern.startsWith('*') && host?.endsWith(pattern.slice(1)) === true;
}

function isReserved(prefix: string): boolean {
  return prefix === '/.well-known' || prefix === acmePrefix || prefix.startsWith(`${acmePrefix}/`);
}
