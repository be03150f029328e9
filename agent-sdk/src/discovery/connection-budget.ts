/** Default of {@link ConnectionBudgetOptions.maxConnections}: half of what a Consul agent allows one address by default. */
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

export interface ConnectionBudgetOptions {
  /** Connections to the agent at most. */
  readonly maxConnections: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * How many blocking reads may be open to one agent. Each holds a connection, and an agent takes 200 from one address by default
 * (`limits.http_max_conns_per_client`): what a gateway takes is missing to the services beside it. Owns no timer.
 */
export interface ConnectionBudget {
  /** Blocking reads that may be open now; `Infinity` where they share a connection (HTTP/2). */
  readonly seats: number;
  /** Whether some are given up for now. */
  readonly isReduced: boolean;
  /** The agent refused a connection. When it does so again, a quarter of the seats is given up, and comes back slowly. */
  refused(): void;
  /** Reads share connections from now on. */
  readonly lift: () => void;
}

export function createConnectionBudget({ maxConnections, now }: ConnectionBudgetOptions): ConnectionBudget {
  const most = Math.max(minSeats, maxConnections - reservedConnections);
  let isLifted = false;
  let reduced = most;
  let refusedMs = -Infinity;
  let reducedMs = -Infinity;
  const seats = (): number => {
    if (isLifted) return Infinity;
    if (reduced === most) return most;
    const steps = Math.floor((now() - reducedMs) / recoverEveryMs);
    return Math.min(most, reduced + steps * Math.ceil(most / 20));
  };
  return {
    get seats() {
      return seats();
    },
    get isReduced() {
      return seats() < most;
    },
    refused() {
      const sinceMs = now() - refusedMs;
      if (sinceMs < togetherMs) return;
      refusedMs = now();
      if (sinceMs > againMs) return;
      reduced = Math.max(minSeats, Math.floor(seats() * 0.75));
      reducedMs = now();
    },
    lift() {
      isLifted = true;
    },
  };
}
