/** Default of `maxConnections`: half of what a Consul agent allows one address by default. */
export const defaultMaxConnections = 100;

/** Connections that are left to the catalog's watch, to reads that do not block, and to registrations. */
export const reservedConnections = 10;

/** Reads that do not block and may be open at a time; a part of the reserve. */
export const maxPlainReads = 6;

/** The fewest blocking reads, however often the agent refuses. */
const minSeats = 4;
/** Refusals within this time are one: many reads meet the same limit. */
const togetherMs = 1_000;
/** A single refusal may have another reason; the second one within this time has not. */
const againMs = 10_000;
/** After a refusal, a twentieth of the budget comes back this often. */
const recoverEveryMs = 30_000;

/**
 * How many blocking reads may be open to one agent. Each holds a connection, and an agent takes 200 from one address by default
 * (`limits.http_max_conns_per_client`): what a gateway takes is missing to the services beside it. Owns no timer.
 */
export class ConnectionBudget {
  readonly #now: () => number;
  readonly #most: number;
  #isLifted = false;
  #reduced: number;
  #refusedMs = -Infinity;
  #reducedMs = -Infinity;

  /** `maxConnections`: to the agent, at most. `now`: monotonic milliseconds. */
  constructor(maxConnections: number, now: () => number) {
    this.#now = now;
    this.#most = Math.max(minSeats, maxConnections - reservedConnections);
    this.#reduced = this.#most;
  }

  /** Blocking reads that may be open now; `Infinity` where they share a connection (HTTP/2). */
  get seats(): number {
    if (this.#isLifted) return Infinity;
    const steps = Math.floor((this.#now() - this.#reducedMs) / recoverEveryMs);
    return Math.min(this.#most, this.#reduced + steps * Math.ceil(this.#most / 20));
  }

  /** Whether some are given up for now. */
  get isReduced(): boolean {
    return this.seats < this.#most;
  }

  /** The agent refused a connection. When it does so again, a quarter of the seats is given up, and comes back slowly. */
  refused(): void {
    const nowMs = this.#now();
    const sinceMs = nowMs - this.#refusedMs;
    if (sinceMs < togetherMs) return;
    this.#refusedMs = nowMs;
    if (sinceMs > againMs) return;
    this.#reduced = Math.max(minSeats, Math.floor(this.seats * 0.75));
    this.#reducedMs = nowMs;
  }

  /** Reads share connections from now on. */
  readonly lift = (): void => {
    this.#isLifted = true;
  };
}
