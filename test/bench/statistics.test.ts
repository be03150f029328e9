import { describe, expect, it } from 'vitest';

import { median, pairedRatio, percentile, spread } from './statistics.ts';

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

describe('pairedRatio', () => {
  it('compares pair by pair and gives the interval of the sign test', () => {
    const before = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
    const after = before.map((value, i) => value * (1 + i / 10));
    const { median, low, high, pairs } = pairedRatio(after, before);
    expect(pairs).toBe(10);
    expect(median).toBeCloseTo(1.45);
    // The second and the ninth of ten: 97.9 %.
    expect([low, high].map((value) => value.toFixed(2))).toEqual(['1.10', '1.80']);
  });
});
