import type { Member, Strategy } from './strategy.ts';

/** Random, in proportion to the weights. O(log n). */
export class RandomStrategy implements Strategy {
  readonly loadChanged = undefined;
  readonly #random: () => number;
  #members: readonly Member[] = [];
  /** Fenwick tree over the weights of enabled members: entry `i` is the sum of the `i & -i` weights up to index `i - 1`. */
  #sums = new Float64Array(1);
  #total = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#sums = new Float64Array(members.length + 1);
    this.#total = 0;
    members.forEach(({ weight }, index) => {
      this.#add(index, weight);
    });
  }

  enable(index: number): void {
    this.#add(index, this.#members[index]?.weight ?? 0);
  }

  disable(index: number): void {
    this.#add(index, -(this.#members[index]?.weight ?? 0));
  }

  pick(): number {
    if (this.#total <= 0) return -1;
    const sums = this.#sums;
    // Weights are integers: the sums are exact, and an integer below the total falls on an enabled member.
    let rest = Math.min(this.#total - 1, Math.floor(this.#random() * this.#total));
    let index = 0;
    for (let step = 1 << (31 - Math.clz32(this.#members.length)); step > 0; step >>= 1) {
      const sum = index + step < sums.length ? (sums[index + step] ?? 0) : Infinity;
      if (sum > rest) continue;
      index += step;
      rest -= sum;
    }
    return index;
  }

  #add(index: number, weight: number): void {
    this.#total += weight;
    for (let at = index + 1; at < this.#sums.length; at += at & -at)
      this.#sums[at] = (this.#sums[at] ?? 0) + weight;
  }
}
