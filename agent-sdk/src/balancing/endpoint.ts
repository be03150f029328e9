import type { Instance } from '../discovery/instance.ts';
import type { Silence } from './endpoint-silence.ts';

/** How ejection sees an endpoint; Consul's view of it is `instance.status`. Times are the caller's monotonic milliseconds. */
export type EndpointHealth =
  | {
      readonly state: 'healthy';
      readonly failures: number;
      readonly ejections: number;
      readonly sinceMs: number;
    }
  | { readonly state: 'ejected'; readonly untilMs: number; readonly ejections: number }
  | { readonly state: 'probation'; readonly ejections: number };

/**
 * What an endpoint can take now. `available`: requests. `saturated`: none until one of its leases ends. `ejected`, `ejected_saturated`:
 * the same for an endpoint that failed its checks or its requests, or is silent; it is the last resort. `excluded`: nothing, by the registry
 * (draining, critical or no longer listed).
 */
export type Availability = 'available' | 'saturated' | 'ejected' | 'ejected_saturated' | 'excluded';

/** An instance plus runtime state. The same object as long as id, address and port stay the same. */
export interface Endpoint {
  /** The newest record of the instance; replaced whole when tags, weight or status change. */
  readonly instance: Instance;
  /** Leases held now. */
  readonly inFlight: number;
  /** Leases ever taken. */
  readonly total: number;
  readonly health: EndpointHealth;
  readonly availability: Availability;
  /** What the gateway's own checks say. */
  readonly check: CheckVerdict;
  /** `draining`: it gets no new leases, by its status or because it is no longer listed. */
  readonly phase: 'serving' | 'draining';
  readonly silence: Silence;
  /** To be called whenever bytes of the instance have come: it lives. */
  hear(): void;
}

/** What the gateway's own checks say of an endpoint; `unchecked` before the first result and without checks. */
export type CheckVerdict = 'up' | 'down' | 'unchecked';

/**
 * What an attempt says about the endpoint. `success`: it answered. `server_error`: it answered 5xx; counts for its success rate.
 * `gateway_error`: it answered 502, 503 or 504; counts as a failure too. `connect_failed`: the connection failed, or another instance
 * answered there. `failed`: it was reached, but reset the connection, was late or sent garbage. An attempt that says nothing about the
 * endpoint (the client left) reports nothing.
 */
export type EndpointReport = 'success' | 'server_error' | 'gateway_error' | 'connect_failed' | 'failed';

/**
 * A change of an endpoint's health, for the log. `because` `outlier`: it answers far more errors than the other endpoints. `silent`: it
 * owes answers to `waiting` attempts and answers no question either; `speaks`: it is not silent any more.
 */
export type HealthChange =
  | {
      readonly kind: 'ejected';
      readonly instance: Instance;
      readonly because: Exclude<EndpointReport, 'success'> | 'outlier';
      readonly lengthMs: number;
    }
  | { readonly kind: 'recovered'; readonly instance: Instance }
  | { readonly kind: 'silent'; readonly instance: Instance; readonly waiting: number }
  | { readonly kind: 'speaks'; readonly instance: Instance };

/** What a look at a quiet endpoint calls for. `ask`: a question whether it lives. `leave`: what waits for it is to go elsewhere. */
export interface SilenceNews {
  readonly endpoint: Endpoint;
  readonly does: 'ask' | 'leave';
}

/** The right to send one request to an endpoint. */
export interface Lease {
  readonly endpoint: Endpoint;
  /** To be called when the final response head has come; further calls do nothing. `latencyMs` as for `report`. */
  headCame(latencyMs: number | undefined): void;
  /** To be called as soon as the result is known; the last call counts. `latencyMs`: from the start of the attempt to the end of the response head. */
  report(report: EndpointReport, latencyMs?: number): void;
  /** To be called when the attempt is over, body included; further calls do nothing. */
  release(): void;
}

/** Which endpoints an attempt may use. */
export interface LeaseRequest {
  /** Only instances with this tag (the tag that claims the route). Undefined: all. */
  readonly tag: string | undefined;
  /** Endpoints not to use: those already tried in this exchange. */
  readonly tried: readonly Endpoint[];
  /** Input of `consistent-hash`: an unsigned 32-bit integer. */
  readonly hash?: number | undefined;
  /** `Instance.key` of the instance that a sticky session names: used under every strategy, as long as it is available. */
  readonly sticky?: string | undefined;
}

/**
 * Why there is no lease. `none`: no endpoint is left. `busy`: all that are left are saturated; {@link Upstream.enqueue} waits for one.
 * `shed`: the whole upstream is at its limit.
 */
export type LeaseRefusal = 'none' | 'busy' | 'shed';

/** A request in an upstream's queue. Ends when it is granted or cancelled. */
export interface QueueTicket {
  /** Leaves the queue; nothing is granted afterwards. Further calls do nothing. */
  cancel(): void;
}
