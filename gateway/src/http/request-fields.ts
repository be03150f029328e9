import { withoutCookie } from './cookies.ts';
import type { FieldLines } from './field-lines.ts';
import type { FieldRole } from './field-roles.ts';
import type { ClientFacts, RequestHead } from './message.ts';
import type { RequestFacts } from './request-rules.ts';

/** Whether what a peer says about the client and the request id is believed. */
export type PeerTrust = 'trusted' | 'untrusted';

export interface RequestFieldOptions {
  readonly peer: PeerTrust;
  readonly pseudonym: string;
  readonly style: 'x-forwarded' | 'forwarded' | 'both';
  readonly requestId: string;
  /** Whether the client's grpc-timeout passes, end to end; otherwise it is left out, because the gateway writes its own. */
  readonly passesGrpcTimeout: boolean;
  /** The gateway's own cookie, which no instance sees; undefined: all cookies pass as they are. */
  readonly ownCookie: string | undefined;
}

/**
 * The header lines that go to an instance: end-to-end lines in their order, without those that concern the client's connection
 * (R01, R03, RFC 9110 §7.6.1), then the gateway's own: Via (R06, §7.6.3), forwarding fields, X-Request-Id. What `Connection`
 * nominated is removed before these are added, so that they can't be nominated away. Framing and `Connection` are the engine's.
 */
export function requestFields(
  head: RequestHead,
  facts: RequestFacts,
  options: RequestFieldOptions,
): FieldLines {
  const lines: string[] = ['Host', facts.authority];
  const { fields } = head;
  const { headers } = facts;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const role = headers.roleAt(i >> 1, name);
    if (role !== 'end-to-end' && !crosses(role, options, head)) continue;
    if (facts.nominated.size > 0 && facts.nominated.has(name.toLowerCase())) continue;
    const value = fields[i + 1] ?? '';
    if (options.ownCookie !== undefined && name.toLowerCase() === 'cookie')
      pushCookie(lines, name, withoutCookie(value, options.ownCookie));
    else lines.push(name, value);
  }
  if (facts.maxForwards !== undefined) lines.push('Max-Forwards', String(facts.maxForwards - 1));
  const hop = `${head.version} ${options.pseudonym}`;
  lines.push('Via', headers.via === undefined ? hop : `${headers.via}, ${hop}`);
  if (options.style !== 'forwarded') pushXForwarded(lines, head.client, facts, options.peer);
  if (options.style !== 'x-forwarded') lines.push('Forwarded', forwarded(head.client, facts, options.peer));
  lines.push('X-Request-Id', options.requestId);
  return lines;
}

function pushCookie(lines: string[], name: string, value: string | undefined): void {
  if (value !== undefined) lines.push(name, value);
}

function crosses(
  role: FieldRole,
  { peer, passesGrpcTimeout }: RequestFieldOptions,
  { method, version }: RequestHead,
): boolean {
  switch (role) {
    case 'end-to-end':
    case 'singleton':
    case 'authorization':
    case 'challenge':
    case 'accept':
    case 'date':
      return true;
    case 'expect': // R08
      return version === '1.1';
    case 'max-forwards':
      return method !== 'OPTIONS';
    case 'forwarded-other':
      return peer === 'trusted';
    case 'grpc-timeout':
      return passesGrpcTimeout;
    default:
      return false;
  }
}

function pushXForwarded(lines: string[], client: ClientFacts, facts: RequestFacts, peer: PeerTrust): void {
  const trusted = peer === 'trusted';
  const claims = trusted ? facts.headers.claims : undefined;
  const before = claims?.['forwarded-for'];
  lines.push(
    'X-Forwarded-For',
    before === undefined ? client.address : `${before}, ${client.address}`,
    'X-Forwarded-Proto',
    claims?.['forwarded-proto'] ?? client.scheme,
    'X-Forwarded-Host',
    claims?.['forwarded-host'] ?? facts.authority,
  );
  if (!trusted) lines.push('X-Forwarded-Port', String(client.localPort));
}

/** RFC 7239 §4: one element for this hop, after those of trusted peers. */
function forwarded(client: ClientFacts, facts: RequestFacts, peer: PeerTrust): string {
  const node = client.address.includes(':') ? `"[${client.address}]"` : client.address;
  const element = `for=${node};host="${facts.authority}";proto=${client.scheme}`;
  const before = peer === 'trusted' ? facts.headers.claims?.forwarded : undefined;
  return before === undefined ? element : `${before}, ${element}`;
}

/** R06: whether this gateway's pseudonym is among the hops of a `Via` field: the request has been here before (RFC 9110 §7.6.3). */
export function hasPassed(via: string | undefined, pseudonym: string): boolean {
  if (via === undefined) return false;
  const own = pseudonym.toLowerCase();
  const hops = via.toLowerCase();
  if (!hops.includes(own)) return false;
  return hops.split(',').some((hop) => hop.trim().split(/[ \t]+/, 2)[1] === own);
}

/** The client's address for the log: the peer's, or the nearest one in X-Forwarded-For that no trusted proxy stands behind. */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  trusts: ((address: string) => boolean) | undefined,
): string {
  const chain = forwardedFor?.split(',').map((hop) => hop.trim()) ?? [];
  let address = peer;
  while (trusts?.(address) === true) {
    const nearer = chain.pop();
    if (nearer === undefined || nearer === '') break;
    address = nearer;
  }
  return address;
}

/** A request id is taken from a trusted peer when it is short and printable; it goes into logs and answers. */
export function isRequestId(value: string | undefined): value is string {
  return value !== undefined && /^[A-Za-z0-9._:/+=@-]{1,128}$/.test(value);
}
