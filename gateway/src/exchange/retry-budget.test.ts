import { describe, expect, it } from 'vitest';

import { createRetryBudget } from './retry-budget.ts';
import { setUp } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

describe('a retry budget', () => {
  it('keeps a service that fails everywhere at 1.2 times its requests, and the floor', () => {
    const upstream = new FakeUpstream({ ids: ['a', 'b', 'c', 'd'] });
    const floorPerSecond = 10;
    const { open, clock } = setUp({
      destination: {
        upstream,
        budget: createRetryBudget({ ratio: 0.2, floorPerSecond, maxConcurrent: 0 }),
        retry: { attempts: 4, statuses: [503], nonIdempotent: 'never' },
      },
    });
    const seconds = 30;
    for (let i = 0; i < seconds * 1000; i += 1) {
      clock.nowMs = i;
      const exchange = open();
      while (exchange.responded({ status: 503 }).kind === 'attempt');
      exchange.ended();
    }
    // What the floor has saved up in ten seconds of peace comes on top once.
    expect(upstream.leases.length).toBeLessThanOrEqual(1_200 * seconds + floorPerSecond * (seconds + 10));
    expect(upstream.leases.length).toBeGreaterThan(1_150 * seconds);
    expect(upstream.held).toBe(0);
  });

  it('holds the number of retries under way, until they are over or could not be made', () => {
    const budget = createRetryBudget({ ratio: 0, floorPerSecond: 10, maxConcurrent: 2 });
    expect([budget.withdraw(0), budget.withdraw(0), budget.withdraw(0)]).toEqual([true, true, false]);
    budget.finished();
    expect([budget.withdraw(0), budget.withdraw(0)]).toEqual([true, false]);
    budget.refund();
    expect([budget.withdraw(0), budget.withdraw(0)]).toEqual([true, false]);
  });

  it('gives back what a refund returns, and earns with time', () => {
    const budget = createRetryBudget({ ratio: 0, floorPerSecond: 0.1, maxConcurrent: 0 });
    expect(budget.withdraw(0)).toBe(true);
    expect(budget.withdraw(0)).toBe(false);
    budget.refund();
    expect(budget.withdraw(0)).toBe(true);
    expect(budget.withdraw(10_000)).toBe(false);
    expect(budget.withdraw(100_000)).toBe(false);
    const quicker = createRetryBudget({ ratio: 0, floorPerSecond: 10, maxConcurrent: 0 });
    while (quicker.withdraw(0));
    expect(quicker.withdraw(50)).toBe(false);
    expect(quicker.withdraw(1_000)).toBe(true);
  });
});
