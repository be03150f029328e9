import { expect, it } from 'vitest';

import { Timeout } from '../sockets/timeout-wheel.ts';
import { StallTimer } from './stall-timer.ts';
import { manualWheel } from './testing/fake-ports.ts';

/** A timer whose client has to move 100 bytes a second, measured over 10 s. */
function rig(minBytesPerSecond = 100) {
  const { wheel, pass } = manualWheel();
  const heard: ('slow' | 'instance')[] = [];
  const client = {
    movedBytes: 0,
    timeout: new Timeout({
      timedOut: () => {
        if (!stall.keepsPace()) heard.push('slow');
      },
    }),
  };
  const instance = new Timeout({ timedOut: () => heard.push('instance') });
  const stall = new StallTimer(wheel, client, instance, { minBytesPerSecond, paceMs: 10_000 });
  return {
    stall,
    heard,
    /** So many seconds, with so many bytes moved in each; tells the timer of them, as a body does. */
    pass(seconds: number, bytes: number, how: 'told' | 'untold' = 'told'): void {
      for (let k = 0; k < seconds; k += 1) {
        client.movedBytes += bytes;
        if (bytes > 0 && how === 'told') stall.awaitClient(300_000);
        pass(1_000);
      }
    },
  };
}

it('ends a client that is slower than it may be, however often it sends', () => {
  const { stall, heard, pass } = rig();
  stall.awaitClient(300_000);
  pass(9, 80);
  expect(heard).toEqual([]);
  pass(2, 80);
  expect(heard).toEqual(['slow']);
});

it('lets a client go on that is fast enough in each window, whether it is told of the bytes or not', () => {
  for (const how of ['told', 'untold'] as const) {
    const { stall, heard, pass } = rig();
    stall.awaitClient(300_000);
    pass(60, 130, how);
    expect(heard).toEqual([]);
    pass(25, 0);
    expect(heard).toEqual(['slow']);
  }
});

it('does not count the time in which the instance is waited for, or both are', () => {
  const { stall, heard, pass } = rig();
  for (let k = 0; k < 5; k += 1) {
    stall.awaitClient(300_000);
    pass(8, 0);
    stall.awaitInstance(300_000);
    pass(100, 0);
    stall.awaitBoth(300_000);
    pass(100, 0);
  }
  expect(heard).toEqual([]);
});

it('still ends a client that is silent for its idle time, and has no pace at 0', () => {
  const { stall, heard, pass } = rig();
  stall.awaitClient(2_000);
  pass(3, 0);
  expect(heard).toEqual(['slow']);
  const free = rig(0);
  free.stall.awaitClient(300_000);
  free.pass(299, 1);
  expect(free.heard).toEqual([]);
});
