/** Consul's three states of a check. */
export type ConsulStatus = 'passing' | 'warning' | 'critical';

/** How a check gets its status: from heartbeats, from HTTP requests of the agent, or fixed for as long as maintenance lasts. */
export type CheckSource =
  | { readonly kind: 'ttl'; readonly ttlMs: number }
  | { readonly kind: 'http'; readonly url: string; readonly intervalMs: number; readonly timeoutMs: number }
  | { readonly kind: 'maintenance' };

/** A check as a registration describes it. */
export interface CheckSpec {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  /** Initial status; `critical` where the registration names none. */
  readonly status: ConsulStatus;
  readonly source: CheckSource;
  /** The service is removed after being critical for this long. Undefined: never. At least one minute, as in Consul. */
  readonly deregisterAfterMs: number | undefined;
}

/** A service as a registration describes it. */
export interface ServiceSpec {
  readonly id: string;
  readonly name: string;
  /** May be empty; clients then use the node's address. */
  readonly address: string;
  /** Not validated, as in Consul: -1 and 70000 are accepted. */
  readonly port: number;
  /** As they were given, each with `Address` and `Port`. */
  readonly taggedAddresses: Readonly<Record<string, unknown>> | undefined;
  readonly tags: readonly string[];
  /** Undefined when the registration had none; Consul answers null for it. */
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly weights: { readonly passing: number; readonly warning: number };
}

/** A registered check. Replaced whole. All times are monotonic ms. */
export interface CheckRecord {
  readonly spec: CheckSpec;
  readonly status: ConsulStatus;
  readonly output: string;
  /** When a TTL check expires; Infinity for the others and after the expiry. */
  readonly expiresMs: number;
  /** Since when it has been critical; Infinity while it is not. */
  readonly criticalSinceMs: number;
}

/** A registered service with its checks, sorted by id. Replaced whole. */
export interface ServiceRecord {
  readonly spec: ServiceSpec;
  readonly checks: readonly CheckRecord[];
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** The one node of an embedded agent. */
export interface NodeFacts {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly datacenter: string;
}
