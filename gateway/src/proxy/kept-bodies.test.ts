import { describe, expect, it } from 'vitest';

import { KeptBodies } from './kept-bodies.ts';

describe('KeptBodies', () => {
  it('gives short bodies a buffer of their size, others a block, and the longest again one of their size', () => {
    const bodies = new KeptBodies();
    for (const [bytes, size] of [
      [100, 100],
      [16_384, 16_384],
      [16_385, 65_536],
      [65_536, 65_536],
      [65_537, 65_537],
    ] as const) {
      expect(bodies.sizeFor(bytes)).toBe(size);
      expect(bodies.take(bytes)).toHaveLength(size);
    }
  });

  it('uses blocks again, one owner at a time, and keeps a bounded number of them', () => {
    const bodies = new KeptBodies();
    const block = bodies.take(20_000);
    bodies.giveBack(block);
    expect(bodies.take(65_536)).toBe(block);
    expect(bodies.take(65_536)).not.toBe(block);
    const blocks = Array.from({ length: 100 }, () => bodies.take(65_536));
    for (const one of blocks) bodies.giveBack(one);
    bodies.giveBack(Buffer.alloc(100));
    const again = Array.from({ length: 100 }, () => bodies.take(65_536));
    expect(again.filter((one) => blocks.includes(one))).toHaveLength(32);
  });
});
