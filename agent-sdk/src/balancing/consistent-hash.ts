import { createHashRing, emptyHashRing, mix, pointAt } from './hash-ring.ts';
import type { Member, Strategy } from './strategy.ts';
import { TurnRing } from './turn-ring.ts';

/** How much more than its share of the requests in flight a member may have; Vimeo's and HAProxy's usual number. */
const loadFactor = 1.25;

/**
 * Places a request on a hash ring and picks the member of the next point that is enabled and within its bound: at most 1.25 times its share
 * of the requests in flight ("Consistent Hashing with Bounded Loads", Mirrokni et al. 2016). O(log n), and at the bound a constant number of
 * steps on average. Without a hash: a random point.
 */
export class ConsistentHashStrategy implements Strategy {
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #ring = emptyHashRing;
  #turns = new TurnRing(new Int32Array(0), 0);
  /** Requests in flight of each member, as counted in `#load`. */
  #loads = new Float64Array(0);
  /** Requests in flight of all enabled members. */
  #load = 0;
  /** Weight of all enabled members. */
  #weight = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#ring = createHashRing(members, this.#ring);
    this.#turns = new TurnRing(this.#ring.owners, members.length);
    this.#loads = Float64Array.from(members, ({ inFlight }) => inFlight);
    this.#load = this.#loads.reduce((sum, load) => sum + load, 0);
    this.#weight = members.reduce((sum, { weight }) => sum + weight, 0);
  }

  enable(index: number): void {
    this.#turns.enable(index);
    const { inFlight, weight } = this.#members[index] ?? { inFlight: 0, weight: 0 };
    this.#loads[index] = inFlight;
    this.#load += inFlight;
    this.#weight += weight;
  }

  disable(index: number): void {
    this.#turns.disable(index);
    this.#load -= this.#loads[index] ?? 0;
    this.#weight -= this.#members[index]?.weight ?? 0;
  }

  pick(hash: number | undefined): number {
    const turns = this.#turns;
    const position = hash === undefined ? Math.floor(this.#random() * 2 ** 32) : mix(hash);
    const first = turns.nextFrom(pointAt(this.#ring.points, position));
    if (first === -1) return -1;
    let turn = first;
    do {
      const index = turns.owners[turn] ?? -1;
      if (this.#isWithinBound(index)) return index;
      turn = turns.nextFrom(turn + 1 < turns.size ? turn + 1 : 0);
    } while (turn !== first);
    return turns.owners[first] ?? -1;
  }

  readonly loadChanged = (index: number): void => {
    const inFlight = this.#members[index]?.inFlight ?? 0;
    this.#load += inFlight - (this.#loads[index] ?? 0);
    this.#loads[index] = inFlight;
  };

  #isWithinBound(index: number): boolean {
    const member = this.#members[index];
    if (member === undefined) return false;
    return member.inFlight < Math.ceil((loadFactor * (this.#load + 1) * member.weight) / this.#weight);
  }
}
