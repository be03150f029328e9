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
