import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { turnSchedule } from './turn-schedule.ts';

describe('turnSchedule', () => {
  it('visits equal weights in order, whatever the weight', () => {
    expect([...turnSchedule([7, 7, 7])]).toEqual([0, 1, 2]);
    expect([...turnSchedule([])]).toEqual([]);
  });

  it('spreads a heavy endpoint over the cycle instead of bunching it', () => {
    expect([...turnSchedule([2, 1])]).toEqual([0, 1, 0]);
    expect([...turnSchedule([4, 2, 2])]).toEqual([0, 1, 2, 0]);
  });

  it('gives every index at least one turn, and the others in proportion up to rounding', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 40 }),
        (weights) => {
          const slots = turnSchedule(weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          expect(slots.length).toBeLessThanOrEqual(17 * weights.length);
          weights.forEach((weight, index) => {
            const turns = slots.filter((slot) => slot === index).length;
            expect(turns).toBeGreaterThanOrEqual(1);
            // Rounding a weight, or raising it to one turn, changes its own turns and the total by less than one each.
            expect(Math.abs(turns - (weight / total) * slots.length)).toBeLessThanOrEqual(1 + weights.length);
          });
        },
      ),
    );
  });
});
