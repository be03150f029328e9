import type { Endpoint, Upstream } from '@roundhouse/agent-sdk/internal';

import { cookieValue } from '../http/cookies.ts';
import type { RequestHead } from '../http/message.ts';
import type { Destination } from './destination.ts';
import { hash32 } from './hash.ts';
import { clientAddress, type PeerTrust } from '../http/request-fields.ts';
import type { RequestFacts } from '../http/request-rules.ts';
import { fieldValue, type FieldLines } from '../http/field-lines.ts';
import type { ClientLogins } from '../http/logins.ts';
import { sessionCookie, type Sessions } from './sessions.ts';
import type { TrustsPeer } from './trusted-proxies.ts';

/** What may bind a request to an instance. */
export interface Affinity {
  /** Where `consistent-hash` places it; undefined without that strategy, or without the value it is placed by. */
  readonly hash: number | undefined;
  /** `Instance.key` that a sticky cookie names, if it is in the table. */
  readonly sticky: string | undefined;
  /** The sticky cookie as the client sent it; undefined when sessions are off. */
  readonly session: { readonly cookie: string; readonly token: string | undefined } | undefined;
}

/** Of a request that is bound to nothing. */
export const noAffinity: Affinity = { hash: undefined, sticky: undefined, session: undefined };

/** What affinity is read from. */
export interface AffinitySource {
  readonly destination: Destination;
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  readonly peer: PeerTrust;
}

/** What of a gateway it takes. */
export interface AffinityTools {
  readonly sessions: Sessions;
  readonly trusts: TrustsPeer | undefined;
}

/** Whether requests for a destination may be bound to instances at all; most are not, and skip the rest. */
export function mayBind({ sticky, upstream }: Destination): boolean {
  return sticky === 'cookie' || upstream.policy.balance === 'consistent-hash';
}

/** What binds a request to an instance. */
export function affinityOf(source: AffinitySource, { sessions, trusts }: AffinityTools): Affinity {
  const { destination, head } = source;
  const { upstream } = destination;
  const text = upstream.policy.balance === 'consistent-hash' ? placedBy(source, trusts) : undefined;
  const hash = text === undefined ? undefined : hash32(text);
  if (destination.sticky === 'off') return { hash, sticky: undefined, session: undefined };
  const cookie = sessions.cookieName(upstream);
  const token = cookieValue(head.fields, cookie);
  const sticky = token === undefined ? undefined : sessions.find(upstream, token);
  return { hash, sticky, session: { cookie, token } };
}

/** R51: a login of the client's connection binds it to the instance that it is logged in to, before anything else does. */
export function loginAffinity(affinity: Affinity, upstream: Upstream, { instances }: ClientLogins): Affinity {
  const endpoint = upstream.endpoints.find(({ instance }) => instances.includes(instance.key));
  return endpoint === undefined ? affinity : { ...affinity, sticky: endpoint.instance.key };
}

function placedBy(
  { destination, head, facts, peer }: AffinitySource,
  trusts: TrustsPeer | undefined,
): string | undefined {
  const { hash } = destination;
  switch (hash.kind) {
    case 'client-ip':
      return peer === 'trusted'
        ? clientAddress(head.client.address, facts.headers.claims?.['forwarded-for'], trusts)
        : head.client.address;
    case 'path':
      return facts.path;
    case 'header':
      return fieldValue(head.fields, hash.name);
    case 'cookie':
      return cookieValue(head.fields, hash.name);
  }
}

/**
 * The lines that bind a client to the instance whose answer it gets: none when it is bound to it already. A shared cache must not
 * hand them to other clients (RFC 9111 §5.2.2.4).
 */
export function sessionFields(
  { destination, facts, head, peer }: AffinitySource,
  { session }: Affinity,
  [endpoint, sessions]: readonly [Endpoint, Sessions],
): FieldLines {
  if (session === undefined) return nothing;
  const { route, upstream } = destination;
  const token = sessions.token(upstream, endpoint);
  if (token === session.token) return nothing;
  const scheme =
    (peer === 'trusted' ? facts.headers.claims?.['forwarded-proto'] : undefined) ?? head.client.scheme;
  return [
    'Set-Cookie',
    sessionCookie(session.cookie, token, { route, scheme }),
    'Cache-Control',
    'no-cache="Set-Cookie"',
  ];
}

const nothing: FieldLines = [];
