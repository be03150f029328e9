/** A set of integers below a fixed size, kept dense, so that one of them can be had by its place. Every operation is O(1). */
export class Bag {
  readonly #elements: Int32Array;
  /** Where an element stands in `#elements`; -1: not in the bag. */
  readonly #places: Int32Array;
  #cursor = 0;
  size = 0;

  /** Empty. */
  constructor(limit: number) {
    this.#elements = new Int32Array(limit);
    this.#places = new Int32Array(limit).fill(-1);
  }

  add(element: number): void {
    if (this.#places[element] !== -1) return;
    this.#elements[this.size] = element;
    this.#places[element] = this.size;
    this.size += 1;
  }

  delete(element: number): void {
    const place = this.#places[element] ?? -1;
    if (place === -1) return;
    this.size -= 1;
    const last = this.#elements[this.size] ?? 0;
    this.#elements[place] = last;
    this.#places[last] = place;
    this.#places[element] = -1;
  }

  /** The element at a place below `size`. */
  at(place: number): number {
    return this.#elements[place] ?? -1;
  }

  /** One after the other; -1 when it is empty. Fair while nothing comes or goes. */
  next(): number {
    if (this.size === 0) return -1;
    this.#cursor = this.#cursor + 1 < this.size ? this.#cursor + 1 : 0;
    return this.at(this.#cursor);
  }
}
