/** Something that knows where in its heap it stands; -1: nowhere. Written by the heap only. */
export interface HeapItem {
  heapPlace: number;
}

/** A binary heap whose items can leave and move from anywhere. `add`, `delete` and `moved` are O(log n). */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  /** The first of all, which stays. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    if (item.heapPlace !== -1) return;
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  delete(item: T): void {
    const place = item.heapPlace;
    if (place === -1) return;
    item.heapPlace = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    last.heapPlace = place;
    this.#items[place] = last;
    this.moved(last);
  }

  /** To be told when what an item is compared by has changed. */
  moved(item: T): void {
    const place = item.heapPlace;
    if (place === -1) return;
    this.#rise(item, place);
    if (item.heapPlace === place) this.#sink(item, place);
  }

  #rise(item: T, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      const first = this.#items[left];
      const second = this.#items[left + 1];
      if (first === undefined) break;
      const below = second !== undefined && this.#before(second, first) ? second : first;
      if (!this.#before(below, item)) break;
      const next = below.heapPlace;
      this.#put(below, place);
      place = next;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.heapPlace = place;
  }
}
