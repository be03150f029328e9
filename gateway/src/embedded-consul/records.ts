/** Consul's three states of a check. */
export type CheckStatus = 'passing' | 'warning' | 'critical';

/** Whether a text is one of Consul's three check states. */
export function isCheckStatus(text: string): text is CheckStatus {
  return text === 'passing' || text === 'warning' || text === 'critical';
}

/** How a check gets its status. `none`: set from within (maintenance, serfHealth). */
export type CheckSource =
  | { readonly kind: 'ttl'; readonly ttlMs: number }
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, readonly string[]>>;
      readonly body: string;
      /** Consul raises anything below 1 s to 1 s. */
      readonly intervalMs: number;
      readonly timeoutMs: number;
      readonly tls: 'verify' | 'skip_verify';
    }
  | { readonly kind: 'none' };

/** An address under a name in `TaggedAddresses`. */
export interface TaggedAddress {
  readonly address: string;
  readonly port: number;
}

/** A service as a registration describes it. */
export interface ServiceSpec {
  readonly id: string;
  readonly name: string;
  /** May be empty: the node's address stands in. Not validated, as in Consul. */
  readonly address: string;
  /** Not validated, as in Consul: -1 and 70000 are taken. */
  readonly port: number;
  readonly tags: readonly string[];
  /** Undefined when the registration had none; Consul answers null for it. */
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly taggedAddresses: Readonly<Record<string, TaggedAddress>>;
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly enableTagOverride: boolean;
}

/** A check as a registration describes it. */
export interface CheckSpec {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  /** Initial status; `critical` where the registration names none. */
  readonly status: CheckStatus;
  readonly source: CheckSource;
  /** Undefined: never. At least one minute, as Consul raises it. */
  readonly deregisterAfterMs: number | undefined;
}

/** A registered service. Replaced whole. */
export interface ServiceRecord {
  readonly spec: ServiceSpec;
  /** `server`: Consul's own `consul` service, which is in the catalog but not among the agent's services. */
  readonly origin: 'agent' | 'server';
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** A registered check. Replaced whole. */
export interface CheckRecord {
  readonly spec: CheckSpec;
  /** Empty for a check of the node. */
  readonly serviceId: string;
  readonly type: 'ttl' | 'http' | 'maintenance' | '';
  readonly status: CheckStatus;
  /** What the agent's own list says. */
  readonly output: string;
  /** What the catalog says: an output that changes alone is held back, so that it wakes no watcher (`check_update_interval`). */
  readonly catalogOutput: string;
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
