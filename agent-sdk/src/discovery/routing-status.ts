/**
 * Whether one gateway routes requests to an instance. The gateway tells it to the instance on request: this acknowledges a drain and
 * confirms a start. It is served on the gateway's traffic listener, which instances find in Consul; a question has to name the key that
 * the instance registered. Any other gets the 404 of a path without a claim (docs/decisions/0008-acknowledged-drain.md).
 */
export interface RoutingStatus {
  /** The gateway's own instance id in Consul, or its pseudonym when it is not announced. Empty: it does not say. */
  readonly gateway: string;
  /**
   * `live`: gets requests. `draining`: known, and gets no new ones. `out`: known and wanted, but left out; `reason` says why.
   * `unknown`: not in this gateway's table (any more, or yet).
   */
  readonly state: 'live' | 'draining' | 'out' | 'unknown';
  /** For a person: "connection refused", "ejected after 5 failures". Empty unless `out`. */
  readonly reason: string;
  /** Requests that this gateway has under way on it. */
  readonly inFlight: number;
}

const prefix = '/.well-known/roundhouse/instances/';
const keyQuery = '?key=';

/** The key of the meta in which an instance registers a random text. A question that names it comes from the instance: ids may be guessed, and seen. */
export const routingKeyMetaKey = 'roundhouse-key';

/** Who asks, and for which instance. */
export interface RoutingQuestion {
  readonly service: string;
  readonly id: string;
  /** What the instance has registered under {@link routingKeyMetaKey}. */
  readonly key: string;
}

/** The target at which a gateway answers for an instance. */
export function routingStatusTarget({ service, id, key }: RoutingQuestion): string {
  return `${prefix}${encodeURIComponent(service)}/${encodeURIComponent(id)}${keyQuery}${encodeURIComponent(key)}`;
}

/** The question that a target asks, or undefined for any other. `query`: with its `?`. */
export function parseRoutingQuestion(path: string, query: string): RoutingQuestion | undefined {
  if (!path.startsWith(prefix) || !query.startsWith(keyQuery)) return undefined;
  const parts = path.slice(prefix.length).split('/');
  const [service, id] = parts.map(decoded);
  const key = decoded(query.slice(keyQuery.length));
  const isQuestion = parts.length === 2 && service !== undefined && id !== undefined && key !== undefined;
  return isQuestion ? { service, id, key } : undefined;
}

function decoded(text: string): string | undefined {
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads a gateway's answer; undefined for one that is none. What a peer sends is not believed further than its form. A gateway's 404
 * says `unknown`.
 */
export function readRoutingStatus({
  status,
  body,
}: {
  readonly status: number;
  readonly body: string;
}): RoutingStatus | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { gateway, state, reason, inFlight, code } = value as Readonly<Record<string, unknown>>;
  if (status === 404 && code === 'no_route')
    return { gateway: '', state: 'unknown', reason: '', inFlight: 0 };
  if (status !== 200) return undefined;
  if (typeof gateway !== 'string' || typeof reason !== 'string' || typeof inFlight !== 'number')
    return undefined;
  if (state !== 'live' && state !== 'draining' && state !== 'out' && state !== 'unknown') return undefined;
  return { gateway, state, reason, inFlight };
}
