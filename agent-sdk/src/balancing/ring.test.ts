import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createRing, emptyRing, pointAt, type RingMember } from './ring.ts';

describe('createRing', () => {
  it('makes of an earlier ring the same that it makes of nothing', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(weights, { minLength: 1, maxLength: 5 }), (lists) => {
        const known = new Map<string, RingMember>();
        let ring = emptyRing;
        for (const list of lists) {
          // A member of another weight is another object.
          const members = list.flatMap((weight, k) => {
            if (weight === 0) return [];
            const key = `n/${k}-${weight}`;
            const member = known.get(key) ?? { key: `n/${k}`, weight };
            known.set(key, member);
            return [member];
          });
          ring = createRing(members, ring);
          const fresh = createRing(members);
          expect([ring.points, ring.places]).toEqual([fresh.points, fresh.places]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has its points in order, and gives members as many as they weigh', () => {
    const ring = createRing([
      { key: 'a', weight: 1 },
      { key: 'b', weight: 4 },
    ]);
    expect(ring.points).toEqual(ring.points.slice().sort());
    expect([0, 1].map((place) => ring.places.filter((each) => each === place).length)).toEqual([16, 64]);
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
