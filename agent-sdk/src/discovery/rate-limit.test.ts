import { describe, expect, it } from 'vitest';

import { type AnswerPace, createReadingBudget, createTokenBucket, createWatchPace } from './rate-limit.ts';

/** How many answers fit into `forMs` when each comes at once and each pause is kept. */
function answersWithin(forMs: number, pace: (nowMs: number) => number): number {
  let nowMs = 0;
  let answers = 0;
  while (nowMs < forMs) {
    answers += 1;
    nowMs += pace(nowMs);
    if (answers > 100_000) break;
  }
  return answers;
}

const early: AnswerPace = { kind: 'early', elapsedMs: 0 };

describe('createTokenBucket', () => {
  it('gives the burst at once and then one token per interval', () => {
    const bucket = createTokenBucket(3, 100);
    expect([0, 0, 0, 0, 100].map((nowMs) => bucket.take(nowMs))).toEqual([0, 0, 0, 100, 100]);
  });

  it('fills up again in quiet times, but never above the burst', () => {
    const bucket = createTokenBucket(2, 100);
    bucket.take(0);
    bucket.take(0);
    expect([10_000, 10_000, 10_000].map((nowMs) => bucket.take(nowMs))).toEqual([0, 0, 100]);
  });

  it('gains nothing from a clock that goes backwards', () => {
    const bucket = createTokenBucket(1, 100);
    bucket.take(1000);
    expect(bucket.take(0)).toBe(100);
    expect(bucket.take(1000)).toBe(200);
  });
});

describe('createWatchPace', () => {
  it('lets real changes through twenty a second', () => {
    const pace = createWatchPace();
    const answers = answersWithin(10_000, (nowMs) => pace.after({ kind: 'changed', records: 10 }, nowMs));
    expect(answers).toBeGreaterThan(190);
    expect(answers).toBeLessThanOrEqual(221);
  });

  it('reads a large service at once after a quiet time, and 5,000 records a second in a storm', () => {
    const pace = createWatchPace();
    expect(pace.after({ kind: 'changed', records: 3_000 }, 0)).toBe(0);
    const answers = answersWithin(60_000, (nowMs) => pace.after({ kind: 'changed', records: 2_500 }, nowMs));
    expect(answers).toBeGreaterThan(118);
    expect(answers).toBeLessThanOrEqual(124);
  });

  it('allows two early answers and then one a second', () => {
    const pace = createWatchPace();
    expect([0, 0, 0].map((nowMs) => pace.after(early, nowMs))).toEqual([0, 0, 1000]);
  });

  it('slows down to one in 15 s when early answers go on', () => {
    const pace = createWatchPace();
    const firstMinute = answersWithin(60_000, (nowMs) => pace.after(early, nowMs));
    expect(firstMinute).toBeLessThan(20);
    expect(pace.after(early, 60_000)).toBeGreaterThanOrEqual(15_000);
  });

  it('is patient again after a change or an uneventful wait', () => {
    for (const quiet of [{ kind: 'changed', records: 1 }, { kind: 'idle' }] as const) {
      const pace = createWatchPace();
      answersWithin(300_000, (nowMs) => pace.after(early, nowMs));
      pace.after(quiet, 400_000);
      expect([400_000, 400_000, 400_000].map((nowMs) => pace.after(early, nowMs))).toEqual([0, 0, 1000]);
    }
  });

  it('does not slow down for answers that take a second by themselves', () => {
    const pace = createWatchPace();
    for (let nowMs = 0; nowMs < 100_000; nowMs += 2000)
      expect(pace.after({ kind: 'early', elapsedMs: 2000 }, nowMs)).toBe(0);
  });

  it('asks for no pause after an uneventful wait', () => {
    const pace = createWatchPace();
    for (let answer = 0; answer < 100; answer += 1) expect(pace.after({ kind: 'idle' }, answer)).toBe(0);
  });

  it('follows at once after a recovery, also the sixth in a row, but bounds a registry that fails every other time', () => {
    const pace = createWatchPace();
    for (let answer = 0; answer < 6; answer += 1) expect(pace.after({ kind: 'recovered' }, 0)).toBe(0);
    expect(answersWithin(60_000, (nowMs) => pace.after({ kind: 'recovered' }, nowMs))).toBeLessThanOrEqual(
      61,
    );
  });
});

describe('createReadingBudget', () => {
  /** Records that so many watches read in ten seconds of a storm in all of them, when each keeps its pauses. */
  function readInStorm(watches: number, recordsEach: number): number {
    const budget = createReadingBudget();
    const paces = Array.from({ length: watches }, () => ({ pace: createWatchPace(budget), nextMs: 0 }));
    let records = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 1) {
      for (const watch of paces) {
        if (watch.nextMs > nowMs) continue;
        watch.nextMs =
          nowMs + Math.max(1, watch.pace.after({ kind: 'changed', records: recordsEach }, nowMs));
        if (nowMs >= 10_000) records += recordsEach;
      }
    }
    return records;
  }

  it('bounds what all watches of a registry read together to 20,000 records a second', () => {
    for (const [watches, recordsEach] of [
      [50, 100],
      [500, 10],
      [10, 1_000],
      [500, 100],
    ] as const)
      expect([watches, readInStorm(watches, recordsEach) <= 220_000]).toEqual([watches, true]);
    expect(readInStorm(50, 1_000)).toBeGreaterThan(150_000);
  });

  it('counts a read of little for 100 records when many have news, so that at most 200 a second are read', () => {
    for (const watches of [50, 500]) {
      const reads = readInStorm(watches, 1) / 10;
      expect(reads).toBeLessThan(220);
      expect(reads).toBeGreaterThan(150);
    }
    expect(readInStorm(50, 100) / 100 / 10).toBeLessThan(110);
  });

  it('lets a small service read on soon in the storms of others, and whoever is alone at once', () => {
    const budget = createReadingBudget();
    const [small, ...large] = Array.from({ length: 50 }, () => ({}));
    expect(budget.take(small!, 10_000, 0)).toBe(0);
    for (const one of large) budget.take(one, 1_000, 10);
    expect(budget.take(small!, 2, 20)).toBe(255);
    expect(budget.take(large[0]!, 1_000, 20)).toBe(2_750);
    expect(budget.take(small!, 10_000, 5_021)).toBe(0);
    expect(budget.take(large[0]!, 2, 5_022)).toBe(0);
  });
});
