import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

import { isLoopback } from '../config/address.ts';

/**
 * Who can reach the admin listener. `loopback`: only this machine. `network`: every machine with a route to it. A name that is neither the
 * machine's own nor the operator's comes from a page that has rebound its DNS name to us, and is refused on both.
 */
export type Exposure = 'loopback' | 'network';

/** What a listener answers to. */
export interface Guard {
  readonly exposure: Exposure;
  /** Names by which it is reached, in lower case, beside those of loopback and, on the network, addresses. */
  readonly hosts: readonly string[];
  /** The bearer token that reading and changes need; `off`: none is set. */
  readonly token: string;
}

/** The headers that a guard looks at. */
export interface GuardedHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly authorization?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

/** The exposure of a listener on a host. */
export function exposureOf(host: string): Exposure {
  return isLoopback(host) ? 'loopback' : 'network';
}

/** The host of `host[:port]`, without brackets, in lower case; undefined where that is not what it is. */
function hostOf(authority: string): string | undefined {
  const match = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[a-z0-9.-]+))(?::\d{1,5})?$/i.exec(authority);
  return (match?.groups?.['v6'] ?? match?.groups?.['name'])?.toLowerCase();
}

/** A DNS name can be rebound, an address can't. */
function isOwnName({ exposure, hosts }: Guard, authority: string): boolean {
  const host = hostOf(authority);
  if (host === undefined) return false;
  return isLoopback(host) || hosts.includes(host) || (exposure === 'network' && isIP(host) !== 0);
}

/** Why a request is refused because of its `Host` or `Origin`; undefined when it may pass. */
export function refusedBy(guard: Guard, { host, origin }: GuardedHeaders): string | undefined {
  if (host === undefined || !isOwnName(guard, host)) {
    return guard.exposure === 'loopback'
      ? 'This listener is on loopback and answers to localhost, 127.0.0.1, [::1] and the names in admin.hosts only.'
      : 'This listener answers to addresses, localhost and the names in admin.hosts only.';
  }
  if (origin === undefined) return undefined;
  const authority = /^https?:\/\/(.+)$/i.exec(origin)?.[1];
  return authority !== undefined && isOwnName(guard, authority)
    ? undefined
    : 'This listener does not answer to pages from elsewhere.';
}

/** Why a request that would read or change something is refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly detail: string;
}

/** The refusal of a request that would read something, or undefined: once a token is set, it has to have it. */
export function mayNotRead({ token }: Guard, { authorization }: GuardedHeaders): Refusal | undefined {
  if (token === 'off' || hasToken(token, authorization)) return undefined;
  return { status: 401, detail: 'This needs the admin token: Authorization: Bearer …' };
}

/**
 * The refusal of a request that would change something, or undefined. Once a token is set, the request has to have it. Without one only
 * this machine may change something, and no page may but the listener's own: other programs on this machine serve pages too.
 */
export function mayNotChange(guard: Guard, headers: GuardedHeaders): Refusal | undefined {
  if (guard.token !== 'off') return mayNotRead(guard, headers);
  if (guard.exposure === 'network')
    return { status: 403, detail: 'This listener is open to others; set admin.token to allow changes.' };
  return isForeignPage(headers)
    ? { status: 403, detail: 'A page may not change anything here; set admin.token and send it.' }
    : undefined;
}

/** Whether a browser sends it for a page of another origin; scheme, host and port count. */
function isForeignPage({ host, origin, 'sec-fetch-site': site = 'none' }: GuardedHeaders): boolean {
  if (site !== 'none' && site !== 'same-origin') return true;
  return origin !== undefined && origin.toLowerCase() !== `http://${host ?? ''}`.toLowerCase();
}

/** Compared in constant time, so that answers don't tell how much of a guess was right. */
function hasToken(token: string, authorization: string | undefined): boolean {
  const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
