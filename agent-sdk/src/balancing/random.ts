import type { Member, Strategy } from './strategy.ts';

/** Random, in proportion to the weights. O(log n). */
export function createRandom(random: () => number): Strategy {
  return new Random(random);
}

class Random implements Strategy {
  readonly loaded = undefined;
  readonly #random: () => number;
  #members: readonly Member[] = [];
  /** Fenwick tree over the weights of admitted members: entry `i` is the sum of the `i & -i` weights up to place `i - 1`. */
  #sums = new Float64Array(1);
  #total = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#sums = new Float64Array(members.length + 1);
    this.#total = 0;
    members.forEach((member, place) => {
      this.#add(place, member.weight);
    });
  }

  admit(place: number): void {
    this.#add(place, this.#members[place]?.weight ?? 0);
  }

  shut(place: number): void {
    this.#add(place, -(this.#members[place]?.weight ?? 0));
  }

  pick(): number {
    if (this.#total <= 0) return -1;
    // Weights are integers: the sums are exact, and a whole number below the total falls on an admitted member.
    let rest = Math.min(this.#total - 1, Math.floor(this.#random() * this.#total));
    let place = 0;
    for (let step = 2 ** Math.floor(Math.log2(this.#members.length)); step >= 1; step /= 2) {
      const sum = place + step < this.#sums.length ? (this.#sums[place + step] ?? 0) : Infinity;
      if (sum > rest) continue;
      place += step;
      rest -= sum;
    }
    return place;
  }

  #add(place: number, weight: number): void {
    this.#total += weight;
    for (let at = place + 1; at < this.#sums.length; at += at & -at)
      this.#sums[at] = (this.#sums[at] ?? 0) + weight;
  }
}
