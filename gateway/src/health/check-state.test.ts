import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { firstCheckMs, nextCheckState, nextCheckMs, unchecked, type CheckState } from './check-state.ts';

const rules = { rise: 2, fall: 3 };

/** What was told for each result, and the last state. */
function run(results: string, { rise, fall } = rules): { told: string; state: CheckState } {
  let state = unchecked;
  let told = '';
  for (const result of results) {
    const step = nextCheckState({ rise, fall }, state, result === '+');
    state = step.state;
    told += step.tell === undefined ? '.' : step.tell === 'up' ? 'U' : 'D';
  }
  return { told, state };
}

describe('nextCheckState', () => {
  it.each([
    ['+', 'U'],
    ['+++', 'U..'],
    ['-', '.'],
    ['---', '..D'],
    ['-----', '..D..'],
    ['-++', '..U'],
    ['+--+--', 'U.....'],
    ['+---++', 'U..D.U'],
    ['+---+-++', 'U..D...U'],
    // Never down, but ill for a moment: that it is well again ends an ejection.
    ['+-++', 'U..U'],
  ])('%s tells %s', (results, told) => {
    expect(run(results).told).toBe(told);
  });

  it('needs as many good ones after a bad one as the rules say, however few there were before', () => {
    expect(run('-+++', { rise: 3, fall: 3 }).told).toBe('...U');
    expect(run('-', { rise: 1, fall: 1 }).told).toBe('D');
    expect(run('-+', { rise: 1, fall: 1 }).told).toBe('DU');
  });

  it('follows its two rules whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('+', '-'), { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        (results, rise, fall) => {
          const text = results.join('');
          const { verdict } = run(text, { rise, fall }).state;
          const endsWith = (sign: string, count: number): boolean => text.endsWith(sign.repeat(count));
          if (endsWith('-', fall)) expect(verdict).toBe('down');
          if (endsWith('+', rise) || /^\++$/.test(text)) expect(verdict).toBe('up');
          if (!text.includes('-'.repeat(fall))) expect(verdict).not.toBe('down');
        },
      ),
    );
  });

  it('keeps the state when nothing changes', () => {
    const { state } = run('++');
    expect(nextCheckState(rules, state, true).state).toBe(state);
  });
});

describe('the schedule', () => {
  it('spreads the first checks over the interval and the others by a tenth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 100_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (ms, random) => {
          expect(firstCheckMs(ms, random)).toBeLessThanOrEqual(ms);
          expect(nextCheckMs(ms, random)).toBeGreaterThanOrEqual(Math.floor(ms * 0.9));
          expect(nextCheckMs(ms, random)).toBeLessThanOrEqual(Math.ceil(ms * 1.1));
        },
      ),
    );
    expect([firstCheckMs(1_000, 0), firstCheckMs(1_000, 0.5)]).toEqual([0, 500]);
  });
});
