import { LinkedList, type Linked } from '../sockets/linked-list.ts';

/** A connection that may have to give way to another. */
export interface GivingWay {
  /** Those that it is counted with. Written by {@link Admission} only; undefined before and after. */
  group: ConnectionGroup | undefined;
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
export interface ConnectionGroup {
  connections: number;
  /** Of all its connections; undefined where they are of many. */
  readonly network: string | undefined;
  searchFromMs: number;
}

/**
 * Which connections a listener has, and which of them go when there are too many: those that have waited longest for a request, and those
 * of addresses that have many before those of others. Nothing is searched while there is room.
 */
export class Admission<C extends GivingWay & Linked<C>> {
  readonly #connections = new LinkedList<C>();
  readonly #all = groupOf(undefined);
  readonly #exempt = groupOf(undefined);
  readonly #byAddress = new Map<string, ConnectionGroup>();
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.connections;
  }

  connections(): Iterable<C> {
    return this.#connections;
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
    const group = this.#groupFor(address);
    connection.group = group;
    group.connections += 1;
    this.#all.connections += 1;
    this.#connections.add(connection);
  }

  /** To be called when it has closed. */
  delete(connection: C): void {
    const { group } = connection;
    if (group === undefined) return;
    connection.group = undefined;
    group.connections -= 1;
    this.#all.connections -= 1;
    this.#connections.remove(connection);
    if (group.connections === 0 && group.network !== undefined) this.#byAddress.delete(group.network);
  }

  #groupFor(address: string): ConnectionGroup {
    if (this.#options.isExempt(address)) return this.#exempt;
    const network = networkOf(address);
    let group = this.#byAddress.get(network);
    if (group === undefined) this.#byAddress.set(network, (group = groupOf(network)));
    return group;
  }

  #fits(group: ConnectionGroup | undefined, crowd: Omit<Crowding, 'outcome'>): boolean {
    if (group === undefined || group.connections < crowd.connections) return true;
    const outcome = this.#makeRoom(group, crowd.connections);
    this.#options.onCrowding({ ...crowd, outcome });
    return outcome === 'made_room';
  }

  /** Closes connections of the group that wait. */
  #makeRoom(group: ConnectionGroup, limit: number): Crowding['outcome'] {
    const nowMs = this.#options.now();
    if (nowMs < group.searchFromMs) return 'refused';
    const burden = (connection: C): number =>
      group === this.#all || group === connection.group ? burdenOf(connection) : 0;
    let most = 0;
    for (const connection of this.#connections) most = Math.max(most, burden(connection));
    if (most === 0) {
      group.searchFromMs = nowMs + searchPauseMs;
      return 'refused';
    }
    let left = Math.ceil(limit * shedShare);
    for (const connection of this.#connections) {
      if (left === 0) break;
      if (burden(connection) < most * 0.9) continue;
      left -= 1;
      // Its descriptor is free at once, its `close` comes later.
      this.delete(connection);
      connection.shutdown();
    }
    return 'made_room';
  }
}

const groupOf = (network: string | undefined): ConnectionGroup => ({
  connections: 0,
  network,
  searchFromMs: 0,
});

/** How long a connection has waited, times the connections from its address; 0: it stays. */
function burdenOf({ waitingMs, group }: GivingWay): number {
  if (waitingMs === undefined || waitingMs < minWaitMs) return 0;
  return waitingMs * (group?.network === undefined ? 1 : group.connections);
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
