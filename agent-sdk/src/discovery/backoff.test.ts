import { describe, expect, it } from 'vitest';

import { backoffMs } from './backoff.ts';

describe('backoffMs', () => {
  it('stays between 250 ms and 15 s for every attempt and every draw', () => {
    for (const attempt of [1, 2, 5, 20, 1000, 1e9]) {
      for (const random of [0, 0.5, 0.999999]) {
        expect(backoffMs(attempt, random)).toBeGreaterThanOrEqual(250);
        expect(backoffMs(attempt, random)).toBeLessThanOrEqual(15_000);
      }
    }
  });

  it('doubles its ceiling with each failure and spreads over the whole range below it', () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffMs(attempt, 0.999999));
    expect(ceilings).toEqual([499, 999, 1999, 3999, 7999, 14_999, 14_999]);
    expect(backoffMs(9, 0)).toBe(250);
    expect(backoffMs(9, 0.5)).toBe(7625);
  });
});
