import { expect, it } from 'vitest';

import { ConnectionBudget } from './connection-budget.ts';

it('gives up a quarter when the agent refuses again, once for refusals that come together, and gets it back slowly', () => {
  let nowMs = 0;
  const budget = new ConnectionBudget(100, () => nowMs);
  expect(budget.seats).toBe(90);
  budget.refused();
  budget.refused();
  expect(budget.isReduced).toBe(false);
  nowMs = 2_000;
  budget.refused();
  expect(budget.seats).toBe(67);
  nowMs = 5_000;
  budget.refused();
  expect(budget.seats).toBe(50);
  nowMs += 30_000;
  expect(budget.seats).toBe(55);
  nowMs += 3_600_000;
  expect(budget.seats).toBe(90);
  expect(budget.isReduced).toBe(false);
});

it('keeps a few seats however often the agent refuses, and has no bound over HTTP/2', () => {
  let nowMs = 0;
  const budget = new ConnectionBudget(20, () => nowMs);
  for (; nowMs < 100_000; nowMs += 2_000) budget.refused();
  expect(budget.seats).toBeGreaterThanOrEqual(4);
  budget.lift();
  expect(budget.seats).toBe(Infinity);
});
