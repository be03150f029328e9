import { expect, it } from 'vitest';

import { MemoryBudget } from '../sockets/memory-budget.ts';
import { HeldInput } from './held-input.ts';

it('copies what many small requests leave a few times, and counts what is kept alive', () => {
  const memory = new MemoryBudget({ bytes: 1_000_000, heapBytes: 2 ** 30 });
  const held = new HeldInput(memory);
  const all = Buffer.from(Array.from({ length: 60_000 }, (_, k) => k % 251));
  held.add(all, 0, all.length);
  let buffers = 0;
  let last: ArrayBufferLike | undefined;
  for (let at = 30; at < all.length; at += 30) {
    const taken = held.take();
    expect(memory.usedBytes).toBe(0);
    if (taken.buffer !== last) buffers += 1;
    last = taken.buffer;
    held.add(taken, 30, taken.length, 'held');
    expect(held.length).toBe(all.length - at);
    expect(memory.usedBytes).toBeGreaterThanOrEqual(held.length);
    expect(memory.usedBytes).toBeLessThanOrEqual(2 * held.length);
  }
  expect(held.take()).toEqual(all.subarray(-30));
  expect(buffers).toBeLessThan(15);
});
