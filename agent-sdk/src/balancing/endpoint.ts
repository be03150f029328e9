import type { Instance } from '../discovery/instance.ts';

/** Local, temporary judgement of an endpoint; Consul's view of it is `instance.status`. Times are the caller's monotonic ms. */
export type EndpointHealth =
  | { readonly state: 'healthy'; readonly failures: number; readonly ejections: number }
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
 * How an attempt ended, as far as the endpoint is concerned. `success`: it answered. `connect_failed`: it could not be reached.
 * `failed`: it was reached and broke its word (reset, timeout, garbage). `neutral`: says nothing about it (the client left).
 */
export type LeaseOutcome = 'success' | 'connect_failed' | 'failed' | 'neutral';

/** A held choice. Release it exactly when the attempt is over, body included; further calls do nothing. */
export interface Lease {
  readonly endpoint: Endpoint;
  release(outcome: LeaseOutcome): void;
}

/** Which endpoints an attempt may use. */
export interface LeaseRequest {
  /** Only instances that carry this tag: the claim by which the route came. Undefined: all. */
  readonly tag: string | undefined;
  /** Endpoints already tried in this exchange; taken again only when nothing else is left. */
  readonly tried: readonly Endpoint[];
}
