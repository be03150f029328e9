/** What can stand in one list at a time; its links are the list's. */
export interface Linked<Item> {
  next: Item | undefined;
  previous: Item | undefined;
}

/**
 * A list that items leave from anywhere. `add` and `remove` are O(1), and nothing is allocated. V8 keeps what a Map or a Set has held
 * alive for long when its contents change all the time: each old table refers to the next.
 */
export class LinkedList<Item extends Linked<Item>> {
  first: Item | undefined = undefined;
  #last: Item | undefined = undefined;

  /** Adds an item, which is in no list, at the end. */
  add(item: Item): void {
    item.previous = this.#last;
    if (this.#last === undefined) this.first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  /** Removes an item, which is in this list. */
  remove(item: Item): void {
    const { previous, next } = item;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.next = undefined;
    item.previous = undefined;
  }

  /** The items in their order; each may be removed when it has come. */
  *[Symbol.iterator](): Generator<Item, void> {
    let item = this.first;
    while (item !== undefined) {
      const { next } = item;
      yield item;
      item = next;
    }
  }
}
