/** A set of integers below a fixed size that are kept dense, so that each can be had by its rank. Every operation is O(1). */
export class SparseSet {
  readonly #elements: Int32Array;
  /** The rank of an element in `#elements`; -1: not in the set. */
  readonly #ranks: Int32Array;
  #cursor = 0;
  size = 0;

  /** Empty. */
  constructor(limit: number) {
    this.#elements = new Int32Array(limit);
    this.#ranks = new Int32Array(limit).fill(-1);
  }

  add(element: number): void {
    if (this.#ranks[element] !== -1) return;
    this.#elements[this.size] = element;
    this.#ranks[element] = this.size;
    this.size += 1;
  }

  delete(element: number): void {
    const rank = this.#ranks[element] ?? -1;
    if (rank === -1) return;
    this.size -= 1;
    const last = this.#elements[this.size] ?? 0;
    this.#elements[rank] = last;
    this.#ranks[last] = rank;
    this.#ranks[element] = -1;
  }

  /** The element of a rank below `size`. */
  at(rank: number): number {
    return this.#elements[rank] ?? -1;
  }

  /** One element after the other; -1 when empty. Fair while no element comes or goes. */
  next(): number {
    if (this.size === 0) return -1;
    this.#cursor = this.#cursor + 1 < this.size ? this.#cursor + 1 : 0;
    return this.at(this.#cursor);
  }
}
