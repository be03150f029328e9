import { roundRobinSchedule } from './schedule.ts';
import { Slots } from './slots.ts';
import type { Member, Strategy } from './strategy.ts';

/**
 * A weighted round robin over members that come and go. Starts at a random place, so that many gateways don't all begin with the same
 * instance, and never restarts there: a change of members or weights keeps the turn. A pick is O(1) while everybody is admitted, else
 * O(log n).
 */
export function createRoundRobin(random: () => number): Strategy {
  return new RoundRobin(random);
}

class RoundRobin implements Strategy {
  readonly loaded = undefined;
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #slots = new Slots(new Int32Array(0), 0);
  #cursor = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    const heir = this.#heir(members);
    this.#members = members;
    this.#slots = new Slots(roundRobinSchedule(members.map((member) => member.weight)), members.length);
    const { size } = this.#slots;
    if (heir !== -1) this.#cursor = this.#slots.firstOf(heir);
    else this.#cursor = size === 0 ? 0 : Math.floor(this.#random() * size) % size;
  }

  admit(place: number): void {
    this.#slots.admit(place);
  }

  shut(place: number): void {
    this.#slots.shut(place);
  }

  pick(): number {
    const slots = this.#slots;
    const slot = slots.nextFrom(this.#cursor);
    if (slot === -1) return -1;
    this.#cursor = slot + 1 < slots.size ? slot + 1 : 0;
    return slots.places[slot] ?? -1;
  }

  /** The place in the new list of whoever was to come next, or, if gone, of whoever follows; -1 when none of the old is left. */
  #heir(members: readonly Member[]): number {
    const { places, size } = this.#slots;
    let found: ReadonlyMap<Member, number> | undefined;
    for (let step = 0; step < size; step += 1) {
      const at = this.#cursor + step;
      const member = this.#members[places[at < size ? at : at - size] ?? 0];
      if (member === undefined) continue;
      // Usually the first one is still there.
      if (step > 0) found ??= new Map(members.map((each, place) => [each, place]));
      const place = found === undefined ? members.indexOf(member) : (found.get(member) ?? -1);
      if (place !== -1) return place;
    }
    return -1;
  }
}
