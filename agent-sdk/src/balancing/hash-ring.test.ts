import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createHashRing, emptyHashRing, pointAt, type RingMember } from './hash-ring.ts';

describe('createHashRing', () => {
  it('makes of an earlier ring the same that it makes of nothing', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(weights, { minLength: 1, maxLength: 5 }), (lists) => {
        const known = new Map<string, RingMember>();
        let ring = emptyHashRing;
        for (const list of lists) {
          // A member of another weight is another object.
          const members = list.flatMap((weight, k) => {
            if (weight === 0) return [];
            const key = `n/${k}-${weight}`;
            const member = known.get(key) ?? { key: `n/${k}`, weight };
            known.set(key, member);
            return [member];
          });
          ring = createHashRing(members, ring);
          const fresh = createHashRing(members);
          expect([ring.points, ring.owners]).toEqual([fresh.points, fresh.owners]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has its points in order, and gives members as many as they weigh', () => {
    const ring = createHashRing([
      { key: 'a', weight: 1 },
      { key: 'b', weight: 4 },
    ]);
    expect(ring.points).toEqual(ring.points.slice().sort());
    expect([0, 1].map((place) => ring.owners.filter((each) => each === place).length)).toEqual([16, 64]);
  });
});

describe('pointAt', () => {
  it('finds the next point around the circle', () => {
    const points = Uint32Array.of(10, 20, 4_000_000_000);
    expect([0, 10, 11, 3_000_000_000, 4_294_967_295].map((hash) => pointAt(points, hash))).toEqual([
      0, 0, 1, 2, 0,
    ]);
  });
});
