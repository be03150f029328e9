import type { Member, Strategy } from './strategy.ts';
import { TurnRing } from './turn-ring.ts';
import { turnSchedule } from './turn-schedule.ts';

/**
 * A weighted round robin over members that come and go. It starts at a random turn, so that many gateways don't all begin with the same
 * instance, and keeps the turn when members or weights change. A pick is O(1) while all members are enabled, else O(log n).
 */
export class RoundRobinStrategy implements Strategy {
  readonly loadChanged = undefined;
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #turns = new TurnRing(new Int32Array(0), 0);
  #cursor = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    const next = this.#nextOf(members);
    this.#members = members;
    this.#turns = new TurnRing(turnSchedule(members.map(({ weight }) => weight)), members.length);
    const { size } = this.#turns;
    if (next !== -1) this.#cursor = this.#turns.firstOf(next);
    else this.#cursor = size === 0 ? 0 : Math.floor(this.#random() * size) % size;
  }

  enable(index: number): void {
    this.#turns.enable(index);
  }

  disable(index: number): void {
    this.#turns.disable(index);
  }

  pick(): number {
    const turns = this.#turns;
    const turn = turns.nextFrom(this.#cursor);
    if (turn === -1) return -1;
    this.#cursor = turn + 1 < turns.size ? turn + 1 : 0;
    return turns.owners[turn] ?? -1;
  }

  /** The index, among new members, of the present member whose turn comes first of those that stay; -1 when none stays. */
  #nextOf(members: readonly Member[]): number {
    const { owners, size } = this.#turns;
    let indexes: ReadonlyMap<Member, number> | undefined;
    for (let step = 0; step < size; step += 1) {
      const turn = this.#cursor + step;
      const member = this.#members[owners[turn < size ? turn : turn - size] ?? 0];
      if (member === undefined) continue;
      // Usually the first one stays: then the others need not be indexed.
      if (step > 0) indexes ??= new Map(members.map((each, index) => [each, index]));
      const index = indexes === undefined ? members.indexOf(member) : (indexes.get(member) ?? -1);
      if (index !== -1) return index;
    }
    return -1;
  }
}
