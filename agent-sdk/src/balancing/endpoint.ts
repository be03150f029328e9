import type { Instance } from '../discovery/instance.ts';

/** Local, temporary judgement of an endpoint; Consul's view of it is `instance.status`. Times are the caller's monotonic ms. */
export type EndpointHealth =
  | {
      readonly state: 'healthy';
      readonly failures: number;
      readonly ejections: number;
      readonly sinceMs: number;
    }
  | { readonly state: 'ejected'; readonly untilMs: number; readonly ejections: number }
  | { readonly state: 'probation'; readonly ejections: number };

/** An instance plus runtime state. The same object as long as id, address and port stay the same. */
export interface Endpoint {
  /** The newest record of the instance; replaced whole when tags, weight or status change. */
  readonly instance: Instance;
  /** Leases held now. */
  readonly inFlight: number;
  /** Leases ever taken. */
  readonly total: number;
  readonly health: EndpointHealth;
  /** `draining`: no new leases; forgotten when nothing is in flight. */
  readonly phase: 'serving' | 'draining';
}

/**
 * What an attempt says about the endpoint. `success`: it answered. `server_error`: it answered 5xx; counts for its success rate.
 * `gateway_error`: it answered 502, 503 or 504; counts as a failure too. `connect_failed`: it could not be reached, or somebody else
 * was. `failed`: it was reached and broke its word (reset, timeout, garbage). An attempt that says nothing (the client left)
 * reports nothing.
 */
export type EndpointReport = 'success' | 'server_error' | 'gateway_error' | 'connect_failed' | 'failed';

/** A turn in an endpoint's health, for the log. `because` `outlier`: it answers far more errors than its siblings. */
export type HealthNews =
  | {
      readonly kind: 'ejected';
      readonly instance: Instance;
      readonly because: Exclude<EndpointReport, 'success'> | 'outlier';
      readonly lengthMs: number;
    }
  | { readonly kind: 'recovered'; readonly instance: Instance };

/** A held choice. */
export interface Lease {
  readonly endpoint: Endpoint;
  /** As soon as it is known; the last word counts. `latencyMs`: from the start of the attempt to the end of the response head. */
  report(report: EndpointReport, latencyMs?: number): void;
  /** When the attempt is over, body included; further calls do nothing. */
  release(): void;
}

/** Which endpoints an attempt may use. */
export interface LeaseRequest {
  /** Only instances that carry this tag: the claim by which the route came. Undefined: all. */
  readonly tag: string | undefined;
  /** Endpoints not to take: those already tried in this exchange. */
  readonly tried: readonly Endpoint[];
  /** What `consistent-hash` places the request by: an unsigned 32-bit integer. */
  readonly hash?: number | undefined;
  /** `Instance.key` of the instance that a sticky session names: taken whatever the strategy, as long as it is admissible. */
  readonly sticky?: string | undefined;
}

/**
 * Why there is no lease. `none`: no endpoint is left. `busy`: all that are left are at their limit; {@link Upstream.enqueue} waits.
 * `shed`: the whole upstream is at its limit.
 */
export type LeaseRefusal = 'none' | 'busy' | 'shed';

/** A place in an upstream's queue. Ends when it is granted or given up. */
export interface QueueTicket {
  /** Leaves the queue; nothing is granted after it. Further calls do nothing. */
  cancel(): void;
}
