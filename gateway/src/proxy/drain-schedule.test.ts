import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { closeDelayMs } from './drain-schedule.ts';

describe('closeDelayMs', () => {
  it('lies in the later part of the drain, before its end', () => {
    fc.assert(
      fc.property(
        fc.nat(100_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (drainMs, random) => {
          const inMs = closeDelayMs({ startedMs: 0, drainMs }, 0, random);
          expect(inMs).toBeGreaterThanOrEqual(drainMs * 0.5);
          expect(inMs).toBeLessThanOrEqual(drainMs * 0.9);
        },
      ),
    );
  });

  it('counts from the present, and never below it', () => {
    const drain = { startedMs: 0, drainMs: 1_000 };
    expect(closeDelayMs(drain, 400, 0)).toBe(100);
    expect(closeDelayMs(drain, 800, 0)).toBe(0);
  });
});
