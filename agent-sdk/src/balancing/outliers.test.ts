import { describe, expect, it } from 'vitest';

import { AnswerCounts, findOutliers } from './outliers.ts';

const policy = { windowMs: 10_000, minRequests: 20, margin: 0.3 };
const rate = (good: number, bad: number) => ({ good, total: good + bad });

describe('findOutliers', () => {
  it('singles out one of three', () => {
    expect(findOutliers(policy, [rate(100, 0), rate(0, 100), rate(98, 2)])).toEqual([1]);
  });

  it('finds nobody where all fail, or where there is nobody to compare with', () => {
    expect(findOutliers(policy, [rate(0, 100), rate(1, 99), rate(0, 100)])).toEqual([]);
    expect(findOutliers(policy, [rate(0, 100)])).toEqual([]);
    expect(findOutliers(policy, [])).toEqual([]);
  });

  it('judges nobody by few answers, nor against few', () => {
    expect(findOutliers(policy, [rate(100, 0), rate(0, 19), rate(100, 0)])).toEqual([]);
    expect(findOutliers(policy, [rate(19, 0), rate(0, 100)])).toEqual([]);
  });

  it('names the worst first', () => {
    expect(findOutliers(policy, [rate(30, 70), rate(100, 0), rate(100, 0), rate(0, 100)])).toEqual([3, 0]);
  });

  it('allows for how much the others differ, where there are five', () => {
    const mixed = [rate(100, 0), rate(40, 60), rate(100, 0), rate(40, 60), rate(100, 0), rate(40, 60)];
    expect(findOutliers(policy, [...mixed, rate(35, 65)])).toEqual([]);
    expect(findOutliers(policy, [...Array.from({ length: 6 }, () => rate(90, 10)), rate(35, 65)])).toEqual([
      6,
    ]);
  });
});

describe('AnswerCounts', () => {
  it('keeps the present and the previous half of the window', () => {
    const counts = new AnswerCounts();
    counts.add('good', 4);
    counts.add('bad', 5);
    expect([counts.good(5), counts.total(5)]).toEqual([1, 2]);
    expect([counts.good(6), counts.total(6)]).toEqual([0, 1]);
    expect(counts.total(7)).toBe(0);
  });

  it('can take back what was counted as good', () => {
    const counts = new AnswerCounts();
    counts.add('good', 0);
    counts.spoil(0);
    expect([counts.good(0), counts.total(0)]).toEqual([0, 1]);
  });
});
