import { describe, expect, it } from 'vitest';

import { LinkedList, type Linked } from './linked-list.ts';

class Item implements Linked<Item> {
  next: Item | undefined;
  previous: Item | undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const namesOf = (list: LinkedList<Item>): string[] => [...list].map(({ name }) => name);

describe('LinkedList', () => {
  it('keeps the order of its items, wherever one leaves', () => {
    const list = new LinkedList<Item>();
    const [a, b, c, d] = [new Item('a'), new Item('b'), new Item('c'), new Item('d')];
    for (const item of [a, b, c, d]) list.add(item);
    list.remove(b);
    expect(namesOf(list)).toEqual(['a', 'c', 'd']);
    list.remove(a);
    list.remove(d);
    list.add(b);
    expect(namesOf(list)).toEqual(['c', 'b']);
    list.remove(c);
    list.remove(b);
    expect(list.first).toBeUndefined();
    list.add(a);
    expect(namesOf(list)).toEqual(['a']);
    expect([a.next, a.previous, b.next, b.previous]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('lets each item leave when it has come', () => {
    const list = new LinkedList<Item>();
    for (const name of 'abc') list.add(new Item(name));
    const seen: string[] = [];
    for (const item of list) {
      list.remove(item);
      seen.push(item.name);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(list.first).toBeUndefined();
  });
});
