/**
 * Whether one gateway routes requests to an instance. The gateway tells it to the instance on request: this acknowledges a drain and
 * confirms a start. It is served on the gateway's traffic listener, which instances find in Consul; a request has to name the instance's
 * random id (docs/decisions/0008-acknowledged-drain.md).
 */
export interface RoutingStatus {
  /** The gateway's own instance id in Consul, or its pseudonym when it is not announced. */
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

/** Where a gateway answers for an instance. */
export function routingStatusPath(service: string, id: string): string {
  return `${prefix}${encodeURIComponent(service)}/${encodeURIComponent(id)}`;
}

/** The instance that a path asks for, or undefined for any other path. */
export function parseRoutingStatusPath(
  path: string,
): { readonly service: string; readonly id: string } | undefined {
  if (!path.startsWith(prefix)) return undefined;
  const parts = path.slice(prefix.length).split('/');
  const [service, id] = parts.map(decoded);
  return parts.length === 2 && service !== undefined && id !== undefined ? { service, id } : undefined;
}

function decoded(text: string): string | undefined {
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Reads a gateway's answer; undefined for a body that is none. What a peer sends is not believed further than its form. */
export function readRoutingStatus(body: string): RoutingStatus | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { gateway, state, reason, inFlight } = value as Readonly<Record<string, unknown>>;
  if (typeof gateway !== 'string' || typeof reason !== 'string' || typeof inFlight !== 'number')
    return undefined;
  if (state !== 'live' && state !== 'draining' && state !== 'out' && state !== 'unknown') return undefined;
  return { gateway, state, reason, inFlight };
}
