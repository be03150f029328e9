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
 * What an attempt says about the endpoint's health. `success`: it answered. `connect_failed`: it could not be reached.
 * `failed`: it was reached and broke its word (reset, timeout, garbage). An attempt that says nothing (the client left) reports nothing.
 */
export type EndpointReport = 'success' | 'connect_failed' | 'failed';

/** A held choice. */
export interface Lease {
  readonly endpoint: Endpoint;
  /** As soon as it is known; the last word counts. */
  report(report: EndpointReport): void;
  /** When the attempt is over, body included; further calls do nothing. */
  release(): void;
}

/** Which endpoints an attempt may use. */
export interface LeaseRequest {
  /** Only instances that carry this tag: the claim by which the route came. Undefined: all. */
  readonly tag: string | undefined;
  /** Endpoints not to take: those already tried in this exchange. */
  readonly tried: readonly Endpoint[];
}
