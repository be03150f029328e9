import { BitSet } from './bit-set.ts';

/**
 * A circle of slots, each of which belongs to a member, and a member may have many: the turns of a rotation, the points of a hash ring. The
 * slots of members that are shut are passed over without being looked at.
 */
export class Slots {
  /** The member that each slot belongs to, by its place. */
  readonly places: Int32Array;
  readonly #members: number;
  readonly #open: BitSet;
  /** How many members are shut. */
  #shut = 0;
  #turns: Turns | undefined;

  /** All members admitted. */
  constructor(places: Int32Array, members: number) {
    this.places = places;
    this.#members = members;
    this.#open = new BitSet(places.length);
  }

  get size(): number {
    return this.places.length;
  }

  admit(place: number): void {
    this.#shut -= 1;
    const { first, slots } = this.#index();
    const end = first[place + 1] ?? 0;
    for (let at = first[place] ?? 0; at < end; at += 1) this.#open.add(slots[at] ?? 0);
  }

  shut(place: number): void {
    this.#shut += 1;
    const { first, slots } = this.#index();
    const end = first[place + 1] ?? 0;
    for (let at = first[place] ?? 0; at < end; at += 1) this.#open.delete(slots[at] ?? 0);
  }

  /** The first slot from `from` on, around the circle, whose member is admitted; -1 when all are shut. */
  nextFrom(from: number): number {
    if (this.#shut === 0 && from < this.places.length) return from;
    return this.#open.nextFrom(from);
  }

  /** The first slot of a member. */
  firstOf(place: number): number {
    return this.places.indexOf(place);
  }

  /** Made when somebody is shut for the first time: most lists are replaced before that. */
  #index(): Turns {
    this.#turns ??= turnsOf(this.places, this.#members);
    return this.#turns;
  }
}

/** Slots in the order of their members; those of the member at place `i` stand from `first[i]` to `first[i + 1]`. */
interface Turns {
  readonly slots: Int32Array;
  readonly first: Int32Array;
}

function turnsOf(places: Int32Array, members: number): Turns {
  const first = new Int32Array(members + 1);
  for (const place of places) first[place + 1] = (first[place + 1] ?? 0) + 1;
  for (let place = 1; place <= members; place += 1)
    first[place] = (first[place] ?? 0) + (first[place - 1] ?? 0);
  const next = first.slice();
  const slots = new Int32Array(places.length);
  for (let slot = 0; slot < places.length; slot += 1) {
    const place = places[slot] ?? 0;
    const at = next[place] ?? 0;
    slots[at] = slot;
    next[place] = at + 1;
  }
  return { slots, first };
}
