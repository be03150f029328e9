import { afterEach, expect, it, vi } from 'vitest';

import { watchEventLoop } from './event-loop-watch.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** A watch whose clock and timers are the test's. */
function watch() {
  vi.useFakeTimers();
  let nowMs = 1_000;
  const loop = watchEventLoop({ now: () => nowMs, periodMs: 20 });
  return {
    loop,
    /** Time passes with the timers on time. */
    run: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 20) {
        nowMs += 20;
        vi.advanceTimersByTime(20);
      }
    },
    /** Time passes and nothing runs. */
    stall: (ms: number) => {
      nowMs += ms;
    },
  };
}

it('loses nothing while the loop runs, or is late by less than a period', () => {
  const { loop, run, stall } = watch();
  run(1_000);
  stall(15);
  run(1_000);
  expect(loop.lostMs()).toBe(0);
  expect(loop.takeLongestMs()).toBe(0);
  loop.stop();
});

it('counts a stall while it lasts, and once', () => {
  const { loop, run, stall } = watch();
  run(100);
  const before = loop.lostMs();
  stall(500);
  expect(loop.lostMs() - before).toBe(480);
  run(100);
  expect(loop.lostMs() - before).toBe(500);
  stall(200);
  run(20);
  expect(loop.lostMs() - before).toBe(700);
  expect(loop.takeLongestMs()).toBe(500);
  expect(loop.takeLongestMs()).toBe(0);
  loop.stop();
});

it('ends its timer', () => {
  const { loop } = watch();
  expect(vi.getTimerCount()).toBe(1);
  loop.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it('sees a real stall', () => {
  const loop = watchEventLoop({ now: () => performance.now() });
  const end = performance.now() + 120;
  while (performance.now() < end);
  expect(loop.lostMs()).toBeGreaterThan(50);
  loop.stop();
});
