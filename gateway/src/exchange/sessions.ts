import type { Endpoint, Upstream } from '@roundhouse/agent-sdk/internal';

import type { Route } from '../routing/route.ts';

/** Sticky sessions: which instance a client's cookie names, and the cookie that names an instance. One per gateway. */
export interface Sessions {
  /** Name of the cookie of an upstream's service. */
  cookieName(upstream: Upstream): string;
  /** `Instance.key` of the instance that a token names, or undefined for one that is gone, or was never issued. */
  find(upstream: Upstream, token: string): string | undefined;
  /** The token of an endpoint of that upstream. */
  token(upstream: Upstream, endpoint: Endpoint): string;
}

/** What is known of the tokens of one upstream. */
interface Known {
  readonly name: string;
  /** The list that `keys` was made from; another list, another map. */
  endpoints: readonly Endpoint[] | undefined;
  keys: ReadonlyMap<string, string>;
}

/**
 * Sessions whose tokens come from a keyed hash. A token is looked up in a map of those of the endpoints there are: an attacker who
 * measures how long that takes learns at most whether a hash bucket is in use, and no prefix of a token leads to the next, so that
 * a comparison in constant time would protect nothing. What a valid token gives is a choice of instance, not access.
 */
export function createSessions(sessionToken: (service: string, instanceKey: string) => string): Sessions {
  const upstreams = new WeakMap<Upstream, Known>();
  const tokens = new WeakMap<Endpoint, string>();
  const known = (upstream: Upstream): Known => {
    let found = upstreams.get(upstream);
    if (found === undefined) {
      found = { name: cookieNameOf(upstream.service), endpoints: undefined, keys: new Map() };
      upstreams.set(upstream, found);
    }
    return found;
  };
  const token = (upstream: Upstream, endpoint: Endpoint): string => {
    let value = tokens.get(endpoint);
    if (value === undefined) {
      value = sessionToken(upstream.service, endpoint.instance.key);
      tokens.set(endpoint, value);
    }
    return value;
  };
  return {
    cookieName: (upstream) => known(upstream).name,
    token,
    find(upstream, value) {
      const its = known(upstream);
      const { endpoints } = upstream;
      if (its.endpoints !== endpoints) {
        its.endpoints = endpoints;
        its.keys = new Map(endpoints.map((endpoint) => [token(upstream, endpoint), endpoint.instance.key]));
      }
      return its.keys.get(value);
    },
  };
}

/** `roundhouse_<service>`; what a cookie name can't hold (RFC 6265 §4.1.1) becomes `_`. */
function cookieNameOf(service: string): string {
  return `roundhouse_${service.replace(/[^A-Za-z0-9!#$%&'*+.^_`|~-]/g, '_')}`;
}

/** The value of `Set-Cookie`: for the session of the browser, for the part of the site that the route is. */
export function sessionCookie(
  name: string,
  token: string,
  { route, scheme }: { readonly route: Route; readonly scheme: string },
): string {
  const path = /^[^;,\s]+$/.test(route.prefix) ? route.prefix : '/';
  return `${name}=${token}; Path=${path}; HttpOnly; SameSite=Lax${scheme === 'https' ? '; Secure' : ''}`;
}
