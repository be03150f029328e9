/** An item that knows its index in its heap; -1: in none. Written by the heap only. */
export interface HeapItem {
  heapIndex: number;
}

/** A binary heap from which any item can be deleted. `add`, `delete` and `moved` are O(log n). */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  /** The first item; it stays in the heap. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    if (item.heapIndex !== -1) return;
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  delete(item: T): void {
    const index = item.heapIndex;
    if (index === -1) return;
    item.heapIndex = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    last.heapIndex = index;
    this.#items[index] = last;
    this.moved(last);
  }

  /** To be called when what an item is compared by has changed. */
  moved(item: T): void {
    const index = item.heapIndex;
    if (index === -1) return;
    this.#rise(item, index);
    if (item.heapIndex === index) this.#sink(item, index);
  }

  #rise(item: T, from: number): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#put(parent, index);
      index = above;
    }
    this.#put(item, index);
  }

  #sink(item: T, from: number): void {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const first = this.#items[left];
      const second = this.#items[left + 1];
      if (first === undefined) break;
      const below = second !== undefined && this.#before(second, first) ? second : first;
      if (!this.#before(below, item)) break;
      const next = below.heapIndex;
      this.#put(below, index);
      index = next;
    }
    this.#put(item, index);
  }

  #put(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
