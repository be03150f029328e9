import { describe, expect, it } from 'vitest';

import { median, percentile, spread } from './statistics.ts';

describe('statistics', () => {
  it('takes the nearest rank for a percentile, by value and not by text', () => {
    const samples = [100, 9, 20, 3];
    expect(percentile(samples, 0.5)).toBe(9);
    expect(percentile(samples, 0.99)).toBe(100);
    expect(percentile(samples, 0)).toBe(3);
    expect(samples).toEqual([100, 9, 20, 3]);
  });

  it('takes the middle, or between the middle two', () => {
    expect(median([10, 2, 9])).toBe(9);
    expect(median([10, 2, 9, 4])).toBe(6.5);
  });

  it('relates the spread to the median', () => {
    expect(spread([9, 10, 12])).toBeCloseTo(0.3);
  });

  it('has nothing to say without samples', () => {
    expect([percentile([], 0.5), median([]), spread([1])]).toEqual([0, 0, 0]);
  });
});
