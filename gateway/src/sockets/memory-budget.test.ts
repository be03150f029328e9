import { describe, expect, it } from 'vitest';

import { MemoryBudget, type Expendable, type Sacrifice } from './memory-budget.ts';

const budget = (heapBytes = 1_000_000): { readonly budget: MemoryBudget; readonly refused: Sacrifice[] } => {
  const refused: Sacrifice[] = [];
  return { budget: new MemoryBudget({ bytes: 1_000, heapBytes }, (what) => refused.push(what)), refused };
};

/** Something that is kept and remembers whether it had to go. */
class Kept implements Expendable {
  next: Expendable | undefined;
  previous: Expendable | undefined;
  countedBytes = 0;
  state: 'kept' | 'given up' = 'kept';

  giveUp(): void {
    this.state = 'given up';
  }
}

describe('MemoryBudget', () => {
  it.each([
    [400, []],
    [500, ['replay']],
    [700, ['replay', 'upload']],
    [800, ['replay', 'upload', 'keep_alive']],
    [900, ['replay', 'upload', 'keep_alive', 'request']],
    [1_000, ['replay', 'upload', 'keep_alive', 'request', 'connection']],
  ] as const)('with %i of 1,000 bytes gives up %j', (bytes, expected) => {
    const { budget: memory, refused } = budget();
    memory.charge(bytes);
    for (const what of ['replay', 'upload', 'keep_alive', 'request', 'connection'] as const)
      expect(memory.admits(what)).toBe(!expected.some((given) => given === what));
    expect(refused).toEqual(expected);
    expect(memory.ample).toBe(expected.length === 0);
  });

  it('admits again what it refused, and remembers its peak', () => {
    const { budget: memory } = budget();
    memory.charge(1_000);
    expect(memory.admits('request')).toBe(false);
    memory.charge(-600);
    expect(memory.admits('request')).toBe(true);
    expect([memory.usedBytes, memory.peakBytes]).toEqual([400, 1_000]);
  });

  it('takes back what is kept, the oldest first, before anything else is refused', () => {
    const { budget: memory, refused } = budget();
    const kept = [new Kept(), new Kept(), new Kept()];
    for (const one of kept) expect(memory.keep(one, 100)).toBe(true);
    memory.charge(600);
    expect(memory.admits('request')).toBe(true);
    expect(kept.map(({ state }) => state)).toEqual(['given up', 'kept', 'kept']);
    expect(refused).toEqual(['replay']);
    expect(memory.usedBytes).toBe(800);
  });

  it('keeps what is newer in place of what is older', () => {
    const { budget: memory } = budget();
    const [old, fresh] = [new Kept(), new Kept()];
    memory.keep(old, 500);
    expect(memory.keep(fresh, 400)).toBe(true);
    expect([old.state, fresh.state, memory.usedBytes]).toEqual(['given up', 'kept', 400]);
    memory.release(fresh);
    memory.release(fresh);
    expect(memory.usedBytes).toBe(0);
  });

  it('lets go of all that an owner keeps when it can not keep more', () => {
    const { budget: memory } = budget();
    const owner = new Kept();
    memory.keep(owner, 100);
    memory.charge(500);
    expect(memory.keep(owner, 1)).toBe(false);
    expect(memory.usedBytes).toBe(500);
  });

  it('counts strings and objects against the heap as well', () => {
    const { budget: memory } = budget(1_000);
    memory.chargeHeap(600);
    expect(memory.admits('connection')).toBe(false);
    memory.chargeHeap(-600);
    memory.charge(600);
    expect(memory.admits('upload')).toBe(true);
  });
});
