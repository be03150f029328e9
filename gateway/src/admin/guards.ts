import { createHash, timingSafeEqual } from 'node:crypto';

import { isLoopback } from '../config/address.ts';

/**
 * Who can reach the admin listener. `loopback`: only this machine, so a request that names another host comes from a page that has
 * rebound its DNS name to us, and is refused. `network`: the operator opened it; names are theirs to choose.
 */
export type Exposure = 'loopback' | 'network';

/** The exposure of a listener on a host. */
export function exposureOf(host: string): Exposure {
  return isLoopback(host) ? 'loopback' : 'network';
}

/** The host of `host[:port]`, without brackets, in lower case; undefined where that is not what it is. */
function hostOf(authority: string): string | undefined {
  const match = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[a-z0-9.-]+))(?::\d{1,5})?$/i.exec(authority);
  return (match?.groups?.['v6'] ?? match?.groups?.['name'])?.toLowerCase();
}

function namesLoopback(authority: string): boolean {
  const host = hostOf(authority);
  return host !== undefined && isLoopback(host);
}

/** Why a request is refused because of its `Host` or `Origin`; undefined when it may pass. */
export function refusedBy(
  exposure: Exposure,
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
): string | undefined {
  if (exposure === 'network') return undefined;
  if (headers.host === undefined || !namesLoopback(headers.host))
    return 'This listener is on loopback and answers to localhost, 127.0.0.1 and [::1] only.';
  const { origin } = headers;
  if (origin === undefined) return undefined;
  const authority = /^https?:\/\/(.+)$/i.exec(origin)?.[1];
  return authority !== undefined && namesLoopback(authority)
    ? undefined
    : 'This listener is on loopback and does not answer to pages from elsewhere.';
}

/** Why a request that would change something is refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly detail: string;
}

/**
 * The refusal of a request that would change something, or undefined. Once a token is set (not `off`), the request has to have it;
 * without one only this machine may change something, so that a listener that others reach changes nothing. Compared in
 * constant time, so that answers don't tell how much of a guess was right.
 */
export function mayNotChange(
  exposure: Exposure,
  token: string,
  authorization: string | undefined,
): Refusal | undefined {
  if (token === 'off') {
    return exposure === 'loopback'
      ? undefined
      : { status: 403, detail: 'This listener is open to others; set admin.token to allow changes.' };
  }
  const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return undefined;
  return { status: 401, detail: 'Changes need the admin token: Authorization: Bearer …' };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
