import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { processTicker, tickMs, Timeout, TimeoutWheel } from './timeout-wheel.ts';

/** A ticker that is turned by hand. */
function handDriven(): { wheel: TimeoutWheel; turn: (ticks: number) => void; running: () => boolean } {
  let tick: (() => void) | undefined;
  const wheel = new TimeoutWheel((callback) => {
    tick = callback;
    return () => {
      tick = undefined;
    };
  });
  return {
    wheel,
    turn: (ticks) => {
      for (let i = 0; i < ticks; i += 1) tick?.();
    },
    running: () => tick !== undefined,
  };
}

function counting(): { timeout: Timeout; fired: () => number } {
  let fired = 0;
  const owner = {
    timedOut: () => {
      fired += 1;
    },
  };
  return { timeout: new Timeout(owner), fired: () => fired };
}

describe('TimeoutWheel', () => {
  it.each([0, 1, tickMs, 500, 10_000, 10_300, 75_000, 300_000])(
    'a timeout of %i ms comes once, never early, at most two ticks late',
    (ms) => {
      const { wheel, turn } = handDriven();
      const { timeout, fired } = counting();
      wheel.arm(timeout, ms);
      turn(Math.ceil(ms / tickMs));
      expect(fired()).toBe(0);
      turn(2);
      expect(fired()).toBe(1);
      turn(2000);
      expect(fired()).toBe(1);
    },
  );

  it('a timeout set again and again comes only after the last time', () => {
    const { wheel, turn } = handDriven();
    const { timeout, fired } = counting();
    for (let i = 0; i < 100; i += 1) {
      wheel.arm(timeout, 1000);
      turn(40);
    }
    expect(fired()).toBe(0);
    turn(12);
    expect(fired()).toBe(1);
  });

  it('a timeout that is moved forward comes at its new time', () => {
    const { wheel, turn } = handDriven();
    const { timeout, fired } = counting();
    wheel.arm(timeout, 75_000);
    wheel.arm(timeout, 40);
    turn(3);
    expect(fired()).toBe(1);
  });

  it('disarmed ones do not come, and a timeout may be set from within a timeout', () => {
    const { wheel, turn } = handDriven();
    const silent = counting();
    let rounds = 0;
    const again: Timeout = new Timeout({
      timedOut: () => {
        rounds += 1;
        if (rounds < 3) wheel.arm(again, 0);
      },
    });
    wheel.arm(silent.timeout, 40);
    wheel.disarm(silent.timeout);
    wheel.arm(again, 0);
    turn(10);
    expect([silent.fired(), rounds]).toEqual([0, 3]);
  });

  it('the timer runs only while there is something to wait for', () => {
    const { wheel, turn, running } = handDriven();
    expect(running()).toBe(false);
    const { timeout } = counting();
    wheel.arm(timeout, 40);
    expect(running()).toBe(true);
    turn(3);
    expect(running()).toBe(false);
    wheel.arm(timeout, 40);
    expect(running()).toBe(true);
    wheel.remove(timeout);
    expect([running(), wheel.size]).toEqual([false, 0]);
  });

  it('removing one of many in a slot leaves the others', () => {
    const { wheel, turn } = handDriven();
    const all = Array.from({ length: 10 }, counting);
    for (const { timeout } of all) wheel.arm(timeout, 100);
    for (const i of [0, 4, 9]) wheel.remove(all[i]!.timeout);
    turn(10);
    expect(all.map(({ fired }) => fired())).toEqual([0, 1, 1, 1, 0, 1, 1, 1, 1, 0]);
  });
});

describe('processTicker', () => {
  it('ticks after a stall when what has come meanwhile has been read, and never once it is stopped', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [writer] = (await once(server, 'connection')) as [Socket];
    const events: string[] = [];
    reader.on('data', () => events.push('read'));
    const ticked = new Promise<void>((resolve) => {
      const stop = processTicker(() => {
        events.push('tick');
        stop();
        resolve();
      }, 5);
    });
    writer.write('x');
    const until = performance.now() + 100;
    while (performance.now() < until);
    await ticked;
    reader.destroy();
    writer.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(events).toEqual(['read', 'tick']);
  });
});
