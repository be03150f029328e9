import { parseRequestTarget } from '../routing/request-target.ts';
import type { ErrorCode } from './errors.ts';
import { fieldKind, isProtectedFromConnection, listMembers, type FieldKind } from './field-kinds.ts';
import type { FieldLines, RequestHead } from './seam.ts';

/** What the rules made of a request head that may be passed on. */
export interface RequestFacts {
  /** Lower case, without port and without a final dot: what routes are matched against. Empty for an HTTP/1.0 request without Host. */
  readonly host: string;
  /** Host as the client sent it, or the authority of an absolute-form target. */
  readonly authority: string;
  /** In normal form, without query. */
  readonly path: string;
  readonly query: string;
  /** Names that `Connection` takes out of this message, beyond those that never cross. */
  readonly nominated: readonly string[];
  readonly accept: string;
  readonly via: string | undefined;
  readonly maxForwards: number | undefined;
  readonly forwardedFor: string | undefined;
  readonly forwardedProto: string | undefined;
  readonly forwardedHost: string | undefined;
  readonly forwarded: string | undefined;
  readonly requestId: string | undefined;
  /** `X-Request-Timeout` and `grpc-timeout` as they came. */
  readonly requestTimeout: string | undefined;
  readonly grpcTimeout: string | undefined;
  /** What each header line is, in their order; looked up once. */
  readonly kinds: readonly FieldKind[];
}

/** `refused`: answered with this error. `options`: an OPTIONS that ends here (`*`, or Max-Forwards used up). */
export type RequestVerdict =
  | { readonly kind: 'accepted'; readonly facts: RequestFacts }
  | { readonly kind: 'refused'; readonly code: ErrorCode }
  | { readonly kind: 'options' };

/** What the header lines said, gathered in one pass. */
interface Gathered {
  host: string | undefined;
  hosts: number;
  connection: string | undefined;
  accept: string;
  via: string | undefined;
  expect: string | undefined;
  maxForwards: string | undefined;
  forwardedFor: string | undefined;
  forwardedProto: string | undefined;
  forwardedHost: string | undefined;
  forwarded: string | undefined;
  requestId: string | undefined;
  requestTimeout: string | undefined;
  grpcTimeout: string | undefined;
  readonly kinds: FieldKind[];
  singletons: string[] | undefined;
  duplicate: 'none' | 'singleton';
}

const host = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$|^\[[0-9A-Fa-f:.]+\]$/;

/**
 * The rules of RFC 9110 and 9112 that an intermediary applies to a request head before it chooses where to send it. The engine
 * has judged grammar and framing; this judges meaning. The ids are those of the conformance suite.
 */
export function judgeRequest(head: RequestHead): RequestVerdict {
  const { method } = head;
  if (method === 'CONNECT' || method === 'TRACE') return refused('method_not_allowed'); // R07, R22
  const gathered = gather(head.fields);
  if (gathered.duplicate === 'singleton') return refused('bad_request'); // R05
  // RFC 9110 §10.1.1: an expectation of an HTTP/1.0 client is ignored; R09
  if (
    head.version === '1.1' &&
    gathered.expect !== undefined &&
    gathered.expect.toLowerCase() !== '100-continue'
  )
    return refused('expectation_failed');
  const target = parseRequestTarget(head.target);
  if (target === undefined || target.kind === 'authority') return refused('bad_target'); // R21–R24
  if (gathered.hosts > 1 || (gathered.hosts === 0 && head.version === '1.1')) return refused('bad_host'); // R20
  const asterisk = target.kind === 'asterisk';
  if (asterisk && method !== 'OPTIONS') return refused('bad_target'); // R23
  const authority = (asterisk ? undefined : target.authority) ?? gathered.host ?? '';
  const named = hostOf(authority);
  const own = gathered.host === authority ? named : hostOf(gathered.host ?? '');
  if (named === undefined || own === undefined) return refused('bad_host'); // R20: also the Host that an absolute form overrides
  if (!asterisk && target.authority === '') return refused('bad_target');
  const maxForwards = method === 'OPTIONS' ? parseMaxForwards(gathered.maxForwards) : undefined;
  if (asterisk || maxForwards === 0) return { kind: 'options' }; // R07
  return {
    kind: 'accepted',
    facts: {
      host: named,
      authority,
      path: target.path,
      query: target.query,
      nominated: gathered.connection === undefined ? [] : nominatedBy(gathered.connection),
      accept: gathered.accept,
      via: gathered.via,
      maxForwards,
      forwardedFor: gathered.forwardedFor,
      forwardedProto: gathered.forwardedProto,
      forwardedHost: gathered.forwardedHost,
      forwarded: gathered.forwarded,
      requestId: gathered.requestId,
      requestTimeout: gathered.requestTimeout,
      grpcTimeout: gathered.grpcTimeout,
      kinds: gathered.kinds,
    },
  };
}

const refused = (code: ErrorCode): RequestVerdict => ({ kind: 'refused', code });

/** RFC 9110 §7.6.2; nonsense counts as absent. */
function parseMaxForwards(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

const nothing: readonly string[] = [];

/** R02: a message can't nominate what gives it its meaning, nor what the gateway itself writes. */
export function nominatedBy(connection: string): readonly string[] {
  if (connection === 'keep-alive' || connection === 'close' || connection === 'Keep-Alive') return nothing;
  return listMembers(connection).filter(
    (name) =>
      name !== 'close' &&
      name !== 'keep-alive' &&
      fieldKind(name) !== 'hop-by-hop' &&
      !isProtectedFromConnection(name),
  );
}

/** Hosts by their spelling: a gateway hears a few of them all the time. Bounded against a client that makes them up. */
const knownHosts = new Map<string, string>();
const maxKnownHosts = 512;

function hostOf(authority: string): string | undefined {
  const known = knownHosts.get(authority);
  if (known !== undefined) return known;
  const host = readHost(authority);
  if (host !== undefined && knownHosts.size < maxKnownHosts) knownHosts.set(authority, host);
  return host;
}

/** The host part in lower case; empty for an empty authority; undefined when it is not `uri-host [":" port]` (RFC 9110 §7.2). */
function readHost(authority: string): string | undefined {
  if (authority === '') return '';
  const colon = authority.lastIndexOf(':');
  const bracket = authority.lastIndexOf(']');
  const hasPort = colon > bracket;
  const name = hasPort ? authority.slice(0, colon) : authority;
  const port = hasPort ? authority.slice(colon + 1) : '';
  if (!host.test(name)) return undefined;
  if (port !== '' && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) return undefined;
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

const joined = (before: string | undefined, value: string): string =>
  before === undefined ? value : `${before}, ${value}`;

function gather(fields: FieldLines): Gathered {
  const all: Gathered = {
    host: undefined,
    hosts: 0,
    connection: undefined,
    accept: '',
    via: undefined,
    expect: undefined,
    maxForwards: undefined,
    forwardedFor: undefined,
    forwardedProto: undefined,
    forwardedHost: undefined,
    forwarded: undefined,
    requestId: undefined,
    requestTimeout: undefined,
    grpcTimeout: undefined,
    kinds: [],
    singletons: undefined,
    duplicate: 'none',
  };
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const kind = fieldKind(name);
    all.kinds.push(kind);
    if (kind !== 'end-to-end' && kind !== 'hop-by-hop' && kind !== 'framing')
      note(all, kind, name, fields[i + 1] ?? '');
  }
  return all;
}

type NotedKind = Exclude<ReturnType<typeof fieldKind>, 'end-to-end' | 'hop-by-hop' | 'framing'>;

function note(all: Gathered, kind: NotedKind, ...[name, value]: readonly [string, string]): void {
  switch (kind) {
    case 'host':
      all.hosts += 1;
      all.host = value;
      break;
    case 'connection':
      all.connection = joined(all.connection, value);
      break;
    case 'accept':
      all.accept = joined(all.accept === '' ? undefined : all.accept, value);
      break;
    case 'via':
      all.via = joined(all.via, value);
      break;
    case 'expect':
      all.expect = joined(all.expect, value);
      break;
    case 'max-forwards':
      if (all.maxForwards !== undefined) all.duplicate = 'singleton';
      all.maxForwards = value;
      break;
    case 'forwarded-for':
      all.forwardedFor = joined(all.forwardedFor, value);
      break;
    case 'forwarded-proto':
      all.forwardedProto = joined(all.forwardedProto, value);
      break;
    case 'forwarded-host':
      all.forwardedHost = joined(all.forwardedHost, value);
      break;
    case 'forwarded':
      all.forwarded = joined(all.forwarded, value);
      break;
    case 'request-id':
      all.requestId = value;
      break;
    case 'request-timeout':
      all.requestTimeout = joined(all.requestTimeout, value);
      break;
    case 'grpc-timeout':
      all.grpcTimeout = joined(all.grpcTimeout, value);
      break;
    case 'singleton': {
      const lower = name.toLowerCase();
      if (all.singletons?.includes(lower) === true) all.duplicate = 'singleton';
      all.singletons = [...(all.singletons ?? []), lower];
      break;
    }
    case 'forwarded-other':
    case 'date':
      break;
  }
}
