import { Heap, type HeapItem } from './heap.ts';
import type { Member, Strategy } from './strategy.ts';

/** A member with its load and its turn. */
interface Seat extends HeapItem {
  readonly member: Member;
  readonly place: number;
  /** Requests in flight per weight. */
  load: number;
  /** Virtual time of its next turn: each turn moves it on by 1 / weight. */
  turn: number;
}

/** Fewest requests in flight per weight; equals take turns, by weight. Everything is O(log n). */
export function createLeastRequests(): Strategy {
  return new LeastRequests();
}

class LeastRequests implements Strategy {
  #seats: readonly Seat[] = [];
  #heap = newHeap();
  /** Virtual time of the latest turn. */
  #turn = 0;

  replace(members: readonly Member[]): void {
    const before = new Map(this.#seats.map((seat) => [seat.member, seat.turn]));
    this.#heap = newHeap();
    this.#seats = members.map((member, place) => {
      const turn = before.get(member) ?? this.#turn;
      return { member, place, load: loadOf(member), turn, heapPlace: -1 };
    });
    for (const seat of this.#seats) this.#heap.add(seat);
  }

  admit(place: number): void {
    const seat = this.#seats[place];
    if (seat === undefined) return;
    seat.load = loadOf(seat.member);
    this.#heap.add(seat);
  }

  shut(place: number): void {
    const seat = this.#seats[place];
    if (seat !== undefined) this.#heap.delete(seat);
  }

  pick(): number {
    const seat = this.#heap.first;
    if (seat === undefined) return -1;
    // Whoever sat out many turns does not get them all back.
    this.#turn = Math.max(seat.turn, this.#turn);
    seat.turn = this.#turn + 1 / seat.member.weight;
    this.#heap.moved(seat);
    return seat.place;
  }

  readonly loaded = (place: number): void => {
    const seat = this.#seats[place];
    if (seat === undefined) return;
    seat.load = loadOf(seat.member);
    this.#heap.moved(seat);
  };
}

function newHeap(): Heap<Seat> {
  return new Heap<Seat>((a, b) => {
    if (a.load !== b.load) return a.load < b.load;
    return a.turn === b.turn ? a.place < b.place : a.turn < b.turn;
  });
}

function loadOf(member: Member): number {
  return member.inFlight / member.weight;
}
