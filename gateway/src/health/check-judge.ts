import type { CheckVerdict } from '@roundhouse/agent-sdk/internal';

/** What is remembered of the checks of one endpoint. */
export interface CheckState {
  readonly verdict: CheckVerdict;
  /** Results of one kind in a row, up to now. */
  readonly good: number;
  readonly bad: number;
}

/** Good results in a row that bring an endpoint in, bad ones that take it out. */
export interface CheckRules {
  readonly rise: number;
  readonly fall: number;
}

/** Before the first check. */
export const unchecked: CheckState = { verdict: 'unchecked', good: 0, bad: 0 };

/** The next state, and what the upstream should hear: nothing, unless something was decided. */
export interface CheckStep {
  readonly state: CheckState;
  readonly tell: 'up' | 'down' | undefined;
}

/**
 * Counts one result. The first good one ever makes an endpoint `up`; after a bad one it takes `rise` in a row, which is also told
 * when it never was `down`, since that ends an ejection. `fall` bad ones in a row make it `down`.
 */
export function judgeCheck(
  { rise, fall }: CheckRules,
  before: CheckState,
  result: 'good' | 'bad',
): CheckStep {
  if (result === 'bad') {
    const bad = Math.min(before.bad + 1, fall);
    const verdict = bad >= fall ? 'down' : before.verdict;
    const state: CheckState = { verdict, good: 0, bad };
    return { state, tell: verdict === 'down' && before.verdict !== 'down' ? 'down' : undefined };
  }
  const needed = before === unchecked ? 1 : rise;
  if (before.verdict === 'up' && before.bad === 0 && before.good >= needed)
    return { state: before, tell: undefined };
  const good = before.good + 1;
  const enough = good >= needed;
  const state: CheckState = {
    verdict: enough ? 'up' : before.verdict,
    good: enough ? rise : good,
    bad: 0,
  };
  return { state, tell: enough ? 'up' : undefined };
}

/** How long to wait for the next check: the interval, give or take a tenth, so that checks don't march in step. `random` in [0, 1). */
export function nextCheckMs(intervalMs: number, random: number): number {
  return Math.max(1, Math.round(intervalMs * (0.9 + 0.2 * random)));
}

/** How long to wait for the first one: anywhere in the interval, so that a thousand instances are not checked at once. */
export function firstCheckMs(intervalMs: number, random: number): number {
  return Math.round(intervalMs * random);
}
