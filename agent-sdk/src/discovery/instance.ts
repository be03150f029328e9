/**
 * How much work an instance may get, read from all of its checks (its own and its node's):
 * any maintenance check → `draining`, else the worst of critical, warning, passing.
 */
export type InstanceStatus = 'passing' | 'warning' | 'critical' | 'draining';

/** One registration record of a service, decoded and validated. A plain value: it survives structured clone. */
export interface Instance {
  /** `cluster/node/id`: a service id alone is unique only within one Consul agent. */
  readonly key: string;
  readonly cluster: string;
  readonly node: string;
  readonly id: string;
  readonly service: string;
  /** IP address or host name, without brackets. The service's address, or its node's where it has none. */
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly status: InstanceStatus;
  /** Share of traffic relative to its siblings for the present status; a positive integer, 1 where nothing is said. */
  readonly weight: number;
  /** Consul's index at which this registration was created; settles who came first when two services claim one route. */
  readonly createIndex: number;
}

/** A record that could not be believed. The rest of the answer lives. */
export interface QuarantinedRecord {
  readonly node: string;
  readonly id: string;
  /** What is wrong, for a person: "port 70000 is not in 1..65535". */
  readonly reason: string;
  /** What it registered under `routingKeyMetaKey`: who names it hears the reason. */
  readonly key?: string | undefined;
}

/**
 * What made an answer suspicious that took much away. `after_failure`: it was the first after the registry could not be read;
 * `no_leader`: it was given without a leader; `index`: the index went back, or did not move though the content did; `filtered`: an
 * ACL filtered rows out that were there before; `removal`: it took away more at once than is usual.
 */
export type HoldReason = 'after_failure' | 'no_leader' | 'index' | 'filtered' | 'removal';

/** The complete instance list of one service at one Consul index; replaced whole, never patched. Sorted by key. */
export interface Snapshot {
  readonly service: string;
  /** Consul's index as it came, opaque; `"0"` for a fixed list. */
  readonly index: string;
  readonly instances: readonly Instance[];
  readonly quarantined: readonly QuarantinedRecord[];
  /**
   * Keys of those among `instances` that the registry no longer lists, but that are kept for a while because the way in which it took
   * them away is in doubt (it restarted empty, say, or lost most of a service at once). Empty in quiet times and for a fixed list.
   */
  readonly held: readonly string[];
  /** Why something is held, for a person; absent when nothing is. Doesn't count when snapshots are compared. */
  readonly heldBecause?: HoldReason;
}

/** What the catalog says: every service name with the union of its instances' tags. */
export interface Catalog {
  readonly index: string;
  readonly services: Readonly<Record<string, readonly string[]>>;
  /** Names that can't be believed, free of control characters and cut; absent when there are none. */
  readonly refused?: readonly string[];
  /** Services whose tags are too many to be read, sorted; absent when there are none. */
  readonly unread?: readonly string[];
}
