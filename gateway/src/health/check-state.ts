import type { CheckVerdict } from '@roundhouse/agent-sdk/internal';

/** What is remembered of the checks of one endpoint. */
export interface CheckState {
  readonly verdict: CheckVerdict;
  /** Checks in a row that passed, and that failed, up to now. */
  readonly passed: number;
  readonly failed: number;
}

/** Passed checks in a row that make an endpoint `up`, failed ones that make it `down`. */
export interface CheckRules {
  readonly rise: number;
  readonly fall: number;
}

/** Before the first check. */
export const unchecked: CheckState = { verdict: 'unchecked', passed: 0, failed: 0 };

/** The next state, and the verdict that the upstream has to be told, if any. */
export interface CheckStep {
  readonly state: CheckState;
  readonly tell: 'up' | 'down' | undefined;
}

/**
 * Counts one result. The first check ever makes an endpoint `up` when it passes; after a failed one it takes `rise` in a row, which is told
 * even if the endpoint never was `down`, since it ends an ejection. `fall` failed checks in a row make it `down`.
 */
export function nextCheckState({ rise, fall }: CheckRules, before: CheckState, passes: boolean): CheckStep {
  if (!passes) {
    const failed = Math.min(before.failed + 1, fall);
    const verdict = failed >= fall ? 'down' : before.verdict;
    const isNew = verdict === 'down' && before.verdict !== 'down';
    return { state: { verdict, passed: 0, failed }, tell: isNew ? 'down' : undefined };
  }
  const needed = before === unchecked ? 1 : rise;
  if (before.verdict === 'up' && before.failed === 0 && before.passed >= needed)
    return { state: before, tell: undefined };
  const passed = before.passed + 1;
  return passed >= needed
    ? { state: { verdict: 'up', passed: rise, failed: 0 }, tell: 'up' }
    : { state: { verdict: before.verdict, passed, failed: 0 }, tell: undefined };
}

/** How long to wait for the next check: the interval ± 10 %, so that checks don't synchronise. `random` in [0, 1). */
export function nextCheckMs(intervalMs: number, random: number): number {
  return Math.max(1, Math.round(intervalMs * (0.9 + 0.2 * random)));
}

/** How long to wait for the first check: a random part of the interval, so that a thousand instances are not checked at once. */
export function firstCheckMs(intervalMs: number, random: number): number {
  return Math.round(intervalMs * random);
}
