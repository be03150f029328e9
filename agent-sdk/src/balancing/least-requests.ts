import { Heap, type HeapItem } from './heap.ts';
import type { Member, Strategy } from './strategy.ts';

/** A member with its load and its turn. */
interface LoadEntry extends HeapItem {
  readonly member: Member;
  readonly index: number;
  /** Requests in flight per weight. */
  load: number;
  /** Virtual time of its next turn: each turn moves it on by 1 / weight. */
  turn: number;
}

/** Fewest requests in flight per weight; equals take turns, by weight. Every operation is O(log n). */
export class LeastRequestsStrategy implements Strategy {
  #entries: readonly LoadEntry[] = [];
  #heap = newHeap();
  /** Virtual time of the latest turn. */
  #turn = 0;

  replace(members: readonly Member[]): void {
    const turns = new Map(this.#entries.map(({ member, turn }) => [member, turn]));
    this.#heap = newHeap();
    this.#entries = members.map((member, index) => {
      const turn = turns.get(member) ?? this.#turn;
      return { member, index, load: loadOf(member), turn, heapIndex: -1 };
    });
    for (const entry of this.#entries) this.#heap.add(entry);
  }

  enable(index: number): void {
    const entry = this.#entries[index];
    if (entry === undefined) return;
    entry.load = loadOf(entry.member);
    this.#heap.add(entry);
  }

  disable(index: number): void {
    const entry = this.#entries[index];
    if (entry !== undefined) this.#heap.delete(entry);
  }

  pick(): number {
    const entry = this.#heap.first;
    if (entry === undefined) return -1;
    // A member that was disabled does not get its missed turns back.
    this.#turn = Math.max(entry.turn, this.#turn);
    entry.turn = this.#turn + 1 / entry.member.weight;
    this.#heap.moved(entry);
    return entry.index;
  }

  readonly loadChanged = (index: number): void => {
    const entry = this.#entries[index];
    if (entry === undefined) return;
    entry.load = loadOf(entry.member);
    this.#heap.moved(entry);
  };
}

function newHeap(): Heap<LoadEntry> {
  return new Heap<LoadEntry>((a, b) => {
    if (a.load !== b.load) return a.load < b.load;
    return a.turn === b.turn ? a.index < b.index : a.turn < b.turn;
  });
}

function loadOf({ inFlight, weight }: Member): number {
  return inFlight / weight;
}
