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

function namesOf(list: LinkedList<Item>): string[] {
  const names: string[] = [];
  for (let item = list.first; item !== undefined; item = item.next) names.push(item.name);
  return names;
}

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
});
