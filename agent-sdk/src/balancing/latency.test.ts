import { describe, expect, it } from 'vitest';

import { Latency } from './latency.ts';

describe('Latency', () => {
  it('starts at what is typical of the others', () => {
    expect(new Latency().expectedMs(42, 1_000)).toBe(42);
  });

  it('jumps to a peak at once and comes down within seconds', () => {
    const latency = new Latency();
    latency.answered(10, 0);
    latency.answered(500, 1);
    expect(latency.expectedMs(1, 1)).toBe(500);
    for (let ms = 100; ms <= 30_000; ms += 100) latency.answered(10, ms);
    expect(latency.expectedMs(1, 30_000)).toBeLessThan(50);
    expect(latency.expectedMs(1, 30_000)).toBeGreaterThanOrEqual(10);
  });

  it('does not take quick errors for speed: they never lower it, and cost 5 s that shrink', () => {
    const latency = new Latency();
    latency.answered(100, 0);
    latency.erred(1, 0);
    expect(latency.expectedMs(1, 0)).toBe(5_100);
    expect(latency.expectedMs(1, 4_000)).toBeGreaterThan(1_000);
    expect(latency.expectedMs(1, 6_000)).toBeLessThan(100);
    latency.erred(900, 6_000);
    expect(latency.expectedMs(1, 6_000)).toBe(5_900);
  });

  it('forgets a slow endpoint that gets nothing, so that it is tried again', () => {
    const latency = new Latency();
    latency.answered(1_000, 0);
    expect(latency.expectedMs(10, 60_000)).toBeLessThan(10);
  });
});
