import { describe, expect, it } from 'vitest';

import { WakeList } from './wake-list.ts';
import { createPauses } from './watch-pauses.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('createPauses', () => {
  it('waits for the time it is told', async () => {
    const slept: number[] = [];
    const sleep = (ms: number): Promise<void> => {
      slept.push(ms);
      return Promise.resolve();
    };
    const pauses = createPauses({ sleep, recovery: new WakeList() }, new AbortController().signal);
    await pauses.plain(5);
    await pauses.afterFailure(700, 0.5);
    expect(slept).toEqual([5, 700]);
  });

  it('wakes all that pause when one gets through, spread over a quarter of a second', async () => {
    const recovery = new WakeList();
    const before = timers();
    const startedMs = performance.now();
    const pauses = Array.from({ length: 100 }, () =>
      createPauses({ recovery }, new AbortController().signal),
    );
    const paused = pauses.map((each, index) => each.afterFailure(60_000, index / 100));
    recovery.wake();
    await Promise.all(paused);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('hears a recovery only while it pauses', async () => {
    const recovery = new WakeList();
    const slept: number[] = [];
    const sleep = (ms: number): Promise<void> => {
      slept.push(ms);
      return Promise.resolve();
    };
    const pauses = createPauses({ sleep, recovery }, new AbortController().signal);
    await pauses.afterFailure(700, 0.5);
    recovery.wake();
    await pauses.afterFailure(800, 0.5);
    expect(slept).toEqual([700, 800]);
  });

  it('ends with its signal, with a recovery and without, and leaves no timer', async () => {
    const before = timers();
    const end = new AbortController();
    const pauses = [createPauses({ recovery: new WakeList() }, end.signal), createPauses({}, end.signal)];
    const paused = pauses.map((each) => each.afterFailure(60_000, 0.5));
    end.abort();
    await Promise.all(paused);
    await Promise.all(pauses.map((each) => each.afterFailure(60_000, 0.5)));
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
