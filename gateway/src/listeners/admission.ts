/** A connection that may have to give way to another. */
export interface GivingWay {
  /** How long it has waited for a request, or for the rest of its head, in ms; undefined while it has one, or an answer to take. */
  readonly waitingMs: number | undefined;
  /** Closes it at once. */
  shutdown(): void;
}

/** How many connections there may be. */
export interface AdmissionLimits {
  readonly connections: number;
  /** From one IPv4 address or one IPv6 network of 64 bits; 0: three quarters of `connections`. */
  readonly connectionsPerAddress: number;
}

export interface AdmissionOptions {
  /** Read for each new connection. */
  readonly limits: () => AdmissionLimits;
  /** Peers that speak for many clients: they have no limit of their own. */
  readonly isExempt: (address: string) => boolean;
  /** There is no room without taking it from another connection; see {@link Crowding}. */
  readonly onCrowding: (crowding: Crowding) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What became of a new connection when there was no room. */
export interface Crowding {
  /** `made_room`: others that waited for a request were closed for it. `refused`: none did, and it was closed itself. */
  readonly outcome: 'made_room' | 'refused';
  /** Whose limit was reached: of all connections, or of those from `address`. */
  readonly limit: 'all' | 'address';
  readonly connections: number;
  readonly address: string;
}

/** A connection in use all the time, as those of a load balancer's pool are, waits for less than this. */
const minWaitMs = 500;
/** One search closes up to this share of the connections that there may be, so that searches stay rare. */
const shedShare = 1 / 64;
/** After a search that found no connection, the next comes so much later. */
const searchPauseMs = 50;

/** Connections that are counted together. */
interface Group<C> {
  readonly connections: Set<C>;
  /** Of all its connections; undefined where they are of many. */
  readonly network: string | undefined;
  searchFromMs: number;
}

/**
 * Which connections a listener has, and which of them go when there are too many: those that have waited longest for a request, and those
 * of addresses that have many before those of others. Nothing is searched while there is room.
 */
export class Admission<C extends GivingWay> {
  readonly #all: Group<C> = { connections: new Set(), network: undefined, searchFromMs: 0 };
  readonly #exempt: Group<C> = { connections: new Set(), network: undefined, searchFromMs: 0 };
  readonly #byAddress = new Map<string, Group<C>>();
  readonly #groups = new Map<C, Group<C>>();
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.connections.size;
  }

  connections(): Iterable<C> {
    return this.#all.connections;
  }

  /** Whether there may be a connection from `address`; closes others for it where that is needed. */
  admits(address: string): boolean {
    const { connections, connectionsPerAddress } = this.#options.limits();
    const perAddress = connectionsPerAddress === 0 ? Math.ceil(connections * 0.75) : connectionsPerAddress;
    const group = this.#options.isExempt(address) ? undefined : this.#byAddress.get(networkOf(address));
    return (
      this.#fits(group, { limit: 'address', connections: perAddress, address }) &&
      this.#fits(this.#all, { limit: 'all', connections, address })
    );
  }

  add(connection: C, address: string): void {
    const group = this.#groupOf(address);
    group.connections.add(connection);
    this.#all.connections.add(connection);
    this.#groups.set(connection, group);
  }

  /** To be called when it has closed. */
  delete(connection: C): void {
    const group = this.#groups.get(connection);
    if (group === undefined) return;
    this.#groups.delete(connection);
    this.#all.connections.delete(connection);
    group.connections.delete(connection);
    if (group.connections.size === 0 && group.network !== undefined) this.#byAddress.delete(group.network);
  }

  #groupOf(address: string): Group<C> {
    if (this.#options.isExempt(address)) return this.#exempt;
    const network = networkOf(address);
    let group = this.#byAddress.get(network);
    if (group === undefined) {
      group = { connections: new Set(), network, searchFromMs: 0 };
      this.#byAddress.set(network, group);
    }
    return group;
  }

  #fits(group: Group<C> | undefined, crowd: Omit<Crowding, 'outcome'>): boolean {
    if (group === undefined || group.connections.size < crowd.connections) return true;
    const outcome = this.#makeRoom(group, crowd.connections);
    this.#options.onCrowding({ ...crowd, outcome });
    return outcome === 'made_room';
  }

  /** Closes connections of the group that wait. */
  #makeRoom(group: Group<C>, limit: number): Crowding['outcome'] {
    const nowMs = this.#options.now();
    if (nowMs < group.searchFromMs) return 'refused';
    let most = 0;
    for (const connection of group.connections) most = Math.max(most, this.#burden(connection));
    if (most === 0) {
      group.searchFromMs = nowMs + searchPauseMs;
      return 'refused';
    }
    let left = Math.ceil(limit * shedShare);
    for (const connection of group.connections) {
      if (left === 0) break;
      if (this.#burden(connection) < most * 0.9) continue;
      left -= 1;
      // Its descriptor is free at once, its `close` comes later.
      this.delete(connection);
      connection.shutdown();
    }
    return 'made_room';
  }

  /** How long it has waited, times the connections from its address; 0: it stays. */
  #burden(connection: C): number {
    const { waitingMs } = connection;
    if (waitingMs === undefined || waitingMs < minWaitMs) return 0;
    const group = this.#groups.get(connection);
    return waitingMs * (group?.network === undefined ? 1 : group.connections.size);
  }
}

/** An IPv4 address, or the first 64 bits of an IPv6 address: one subscriber has all the others. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [front = '', back] = address.split('::');
  const head = front === '' ? [] : front.split(':');
  const tail = back === undefined || back === '' ? [] : back.split(':');
  const zeros = new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return [...head, ...(back === undefined ? [] : zeros), ...tail].slice(0, 4).join(':');
}
