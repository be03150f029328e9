import type { Latency } from './latency.ts';

/** What a strategy may know of the endpoints that it chooses from. */
export interface Member {
  /** The same in every process: a hash places the member by it. */
  readonly key: string;
  /** A positive integer. */
  readonly weight: number;
  readonly inFlight: number;
  readonly latency: Latency;
}

/**
 * Picks the next among the members of a priority level. Members are known by their index in the list; a member that is not available is
 * disabled, so that a pick never looks past it. `pick` is O(1) or O(log n); so are `enable`, `disable` and `loadChanged`, times the turns
 * or points that a member's weight gives it.
 */
export interface Strategy {
  /** New members, all enabled. Where there are turns, the member whose turn it was keeps it. */
  replace(members: readonly Member[]): void;
  enable(index: number): void;
  disable(index: number): void;
  /** The index of the next member, or -1 when all are disabled. `hash`: see {@link LeaseRequest.hash}. */
  pick(hash: number | undefined): number;
  /** `inFlight` of an enabled member has changed. Undefined: the strategy does not go by it. */
  readonly loadChanged: ((index: number) => void) | undefined;
}
