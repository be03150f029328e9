import { expectationOf } from './interim.ts';
import { readHeaders, type HeaderFacts } from './header-facts.ts';
import { hasTooManyOptions, nominatedBy } from './field-roles.ts';
import type { RequestHead } from './message.ts';
import { parseRequestTarget } from './request-target.ts';

/** What the rules made of a request head that may be passed on. */
export interface RequestFacts {
  /** Lower case, without port and without a final dot: what routes are matched against. Empty for an HTTP/1.0 request without Host. */
  readonly host: string;
  /** Host as the client sent it, or the authority of an absolute-form target. */
  readonly authority: string;
  /** In normal form, without query. */
  readonly path: string;
  /** The same exactly as it came. */
  readonly givenPath: string;
  readonly query: string;
  /** Names that `Connection` takes out of this message, beyond those that never cross. */
  readonly nominated: ReadonlySet<string>;
  /** Of an OPTIONS request. */
  readonly maxForwards: number | undefined;
  readonly headers: HeaderFacts;
}

/** Why a head is refused. */
export type RequestRefusal =
  'method_not_allowed' | 'bad_request' | 'expectation_failed' | 'bad_target' | 'bad_host';

/** `refused`: answered with this error. `options`: an OPTIONS that ends here (`*`, or Max-Forwards used up). */
export type RequestVerdict =
  | { readonly kind: 'accepted'; readonly facts: RequestFacts }
  | { readonly kind: 'refused'; readonly code: RequestRefusal }
  | { readonly kind: 'options' };

/**
 * The rules of RFC 9110 and 9112 that an intermediary applies to a request head before it chooses where to send it. The codec
 * has judged grammar and framing; this judges meaning.
 *
 * - R05: a field that may stand once is not repeated. R46: `Connection` lists no more than 64 options.
 * - R07: TRACE is refused; an OPTIONS whose Max-Forwards is used up ends here (RFC 9110 §7.6.2).
 * - R09: an expectation other than 100-continue is refused (§10.1.1).
 * - R20: exactly one valid Host (RFC 9112 §3.2), even where an absolute form overrides it; HTTP/1.0 may have none.
 * - R21: the authority of an absolute form replaces Host (§3.2.2).
 * - R22: CONNECT and the authority form are refused. R23: the asterisk form is for OPTIONS. R24: no fragment, no other form.
 */
export function judgeRequest(
  head: Pick<RequestHead, 'method' | 'target' | 'version' | 'fields' | 'headers'>,
): RequestVerdict {
  const { method, version } = head;
  if (method === 'CONNECT' || method === 'TRACE') return refused('method_not_allowed');
  const headers = head.headers ?? readHeaders(head.fields);
  if (headers.hasRepeatedSingleton || hasTooManyOptions(headers.connection)) return refused('bad_request');
  if (expectationOf(headers, version) === 'unknown') return refused('expectation_failed');
  const target = parseRequestTarget(head.target);
  if (target === undefined || target.kind === 'authority') return refused('bad_target');
  if (headers.hostCount > 1 || (headers.hostCount === 0 && version === '1.1')) return refused('bad_host');
  const asterisk = target.kind === 'asterisk';
  if (asterisk && method !== 'OPTIONS') return refused('bad_target');
  const authority = (asterisk ? undefined : target.authority) ?? headers.host ?? '';
  const host = hostOf(authority);
  const own = headers.host === authority ? host : hostOf(headers.host ?? '');
  if (host === undefined || own === undefined) return refused('bad_host');
  if (!asterisk && target.authority === '') return refused('bad_target');
  const maxForwards = method === 'OPTIONS' ? parseMaxForwards(headers.maxForwards) : undefined;
  if (asterisk || maxForwards === 0) return { kind: 'options' };
  const { path, given: givenPath, query } = target;
  const nominated = nominatedBy(headers.connection, 'request');
  return {
    kind: 'accepted',
    facts: { host, authority, path, givenPath, query, nominated, maxForwards, headers },
  };
}

const refused = (code: RequestRefusal): RequestVerdict => ({ kind: 'refused', code });

/** RFC 9110 §7.6.2; nonsense counts as absent. */
function parseMaxForwards(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** Hosts by their spelling: most requests name one of a few. Bounded against a client that makes them up. */
const knownHosts = new Map<string, string>();
const maxKnownHosts = 512;

function hostOf(authority: string): string | undefined {
  const known = knownHosts.get(authority);
  if (known !== undefined) return known;
  const host = readHost(authority);
  if (host !== undefined && knownHosts.size < maxKnownHosts) knownHosts.set(authority, host);
  return host;
}

const regName = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$|^\[[0-9A-Fa-f:.]+\]$/;

/** R20: the host part in lower case; empty for an empty authority; undefined when it is not `uri-host [":" port]` (RFC 9110 §7.2). */
function readHost(authority: string): string | undefined {
  if (authority === '') return '';
  const colon = authority.lastIndexOf(':');
  const bracket = authority.lastIndexOf(']');
  const hasPort = colon > bracket;
  const name = hasPort ? authority.slice(0, colon) : authority;
  const port = hasPort ? authority.slice(colon + 1) : '';
  if (!regName.test(name)) return undefined;
  if (port !== '' && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) return undefined;
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
