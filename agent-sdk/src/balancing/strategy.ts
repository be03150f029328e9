import type { Latency } from './latency.ts';

/** What a strategy may know of those it chooses from. */
export interface Member {
  /** The same wherever the member is known: a hash places it by this. */
  readonly key: string;
  /** A positive integer. */
  readonly weight: number;
  readonly inFlight: number;
  readonly latency: Latency;
}

/**
 * Who is next among the members of a tier. Members are known by their place in the list; whoever can take nothing at present is shut, so
 * that a pick never has to look past them. `pick` is O(1) or O(log n); so are `admit`, `shut` and `loaded`, times the turns or points
 * that a member's weight gives it.
 */
export interface Strategy {
  /** New members, all admitted. Whoever's turn it was keeps it, where there are turns. */
  replace(members: readonly Member[]): void;
  admit(place: number): void;
  shut(place: number): void;
  /** The place of the one that is next, or -1 when all are shut. `hash`: what the request is placed by, where that matters. */
  pick(hash: number | undefined): number;
  /** `inFlight` of an admitted member has changed. Undefined: it doesn't matter. */
  readonly loaded: ((place: number) => void) | undefined;
}
