import { createRing, emptyRing, mix, pointAt } from './ring.ts';
import { Slots } from './slots.ts';
import type { Member, Strategy } from './strategy.ts';

/** How much more than its share of the requests in flight a member may have; Vimeo's and HAProxy's usual number. */
const loadFactor = 1.25;

/**
 * Places a request on a ring of points and takes the member of the next point that is admitted and within its bound: no more than 1.25
 * times its share of what is in flight ("Consistent Hashing with Bounded Loads", Mirrokni et al. 2016). O(log n), and at the bound a
 * constant number of steps on average. Without a hash: a random point.
 */
export function createConsistentHash(random: () => number): Strategy {
  return new ConsistentHash(random);
}

class ConsistentHash implements Strategy {
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #ring = emptyRing;
  #slots = new Slots(new Int32Array(0), 0);
  /** Requests in flight of each member, as counted in `#load`. */
  #loads = new Float64Array(0);
  /** Of the admitted members together. */
  #load = 0;
  #weight = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#ring = createRing(members, this.#ring);
    this.#slots = new Slots(this.#ring.places, members.length);
    this.#loads = Float64Array.from(members, (member) => member.inFlight);
    this.#load = this.#loads.reduce((sum, load) => sum + load, 0);
    this.#weight = members.reduce((sum, { weight }) => sum + weight, 0);
  }

  admit(place: number): void {
    this.#slots.admit(place);
    const { inFlight, weight } = this.#members[place] ?? { inFlight: 0, weight: 0 };
    this.#loads[place] = inFlight;
    this.#load += inFlight;
    this.#weight += weight;
  }

  shut(place: number): void {
    this.#slots.shut(place);
    this.#load -= this.#loads[place] ?? 0;
    this.#weight -= this.#members[place]?.weight ?? 0;
  }

  pick(hash: number | undefined): number {
    const slots = this.#slots;
    const position = hash === undefined ? Math.floor(this.#random() * 2 ** 32) : mix(hash);
    const first = slots.nextFrom(pointAt(this.#ring.points, position));
    if (first === -1) return -1;
    let slot = first;
    do {
      const place = slots.places[slot] ?? -1;
      if (this.#isWithinBound(place)) return place;
      slot = slots.nextFrom(slot + 1 < slots.size ? slot + 1 : 0);
    } while (slot !== first);
    return slots.places[first] ?? -1;
  }

  readonly loaded = (place: number): void => {
    const inFlight = this.#members[place]?.inFlight ?? 0;
    this.#load += inFlight - (this.#loads[place] ?? 0);
    this.#loads[place] = inFlight;
  };

  #isWithinBound(place: number): boolean {
    const member = this.#members[place];
    if (member === undefined) return false;
    return member.inFlight < Math.ceil((loadFactor * (this.#load + 1) * member.weight) / this.#weight);
  }
}
