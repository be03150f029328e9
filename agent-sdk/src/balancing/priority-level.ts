import type { EndpointState, Slot, SlotLevel } from './endpoint-state.ts';
import type { Availability } from './endpoint.ts';
import { SparseSet } from './sparse-set.ts';
import type { Strategy } from './strategy.ts';

/** The primaries or the backups of a subset, with the strategy that picks among them. */
export class PriorityLevel implements SlotLevel {
  readonly tag: string | undefined;
  #strategy: Strategy;
  #members: readonly EndpointState[] = [];
  /** Indexes of ejected members that are not saturated, for the last resort. */
  #ejected = new SparseSet(0);
  /** Members that are available or saturated. */
  trusted = 0;
  /** Members that are ejected, saturated ones included. */
  distrusted = 0;
  warming = 0;

  constructor(tag: string | undefined, strategy: Strategy) {
    this.tag = tag;
    this.#strategy = strategy;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Another strategy for the same members. */
  use(strategy: Strategy): void {
    this.#strategy = strategy;
    this.replace(this.#members);
  }

  /** New members, with the availability that each of them has. */
  replace(members: readonly EndpointState[]): void {
    const before = this.#members;
    this.#members = members;
    this.#ejected = new SparseSet(members.length);
    this.trusted = members.length;
    this.distrusted = this.warming = 0;
    this.#strategy.replace(members);
    members.forEach((member, index) => {
      const slot = this.slotOf(member);
      if (slot === undefined) member.slots = [...member.slots, { level: this, index }];
      else slot.index = index;
      if (member.warmingSinceMs !== undefined) this.warming += 1;
      const { availability } = member;
      if (availability !== 'available') this.availabilityChanged(index, 'available', availability);
    });
    for (const member of before) {
      // The slot of a member that has left still holds its old index.
      if (members[this.slotOf(member)?.index ?? -1] !== member)
        member.slots = member.slots.filter(({ level }) => level !== this);
    }
  }

  availabilityChanged(index: number, from: Availability, to: Availability): void {
    if (from === 'available') this.#strategy.disable(index);
    else if (from === 'ejected') this.#ejected.delete(index);
    this.#count(from, -1);
    this.#count(to, 1);
    if (to === 'available') this.#strategy.enable(index);
    else if (to === 'ejected') this.#ejected.add(index);
  }

  loadChanged(index: number): void {
    this.#strategy.loadChanged?.(index);
  }

  /** The next available member by the strategy. */
  pick(hash: number | undefined): EndpointState | undefined {
    const index = this.#strategy.pick(hash);
    return index === -1 ? undefined : this.#members[index];
  }

  /** An ejected member, each in its turn. */
  pickEjected(): EndpointState | undefined {
    const index = this.#ejected.next();
    return index === -1 ? undefined : this.#members[index];
  }

  slotOf({ slots }: EndpointState): Slot | undefined {
    for (const slot of slots) if (slot.level === this) return slot;
    return undefined;
  }

  #count(availability: Availability, by: number): void {
    if (availability === 'available' || availability === 'saturated') this.trusted += by;
    else if (availability !== 'excluded') this.distrusted += by;
  }
}
