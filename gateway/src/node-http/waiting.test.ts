import { describe, expect, it } from 'vitest';

import type { WaitTicket } from '../exchange/seam.ts';
import { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { startWaiting } from './waiting.ts';

/** A wheel that turns by hand. */
function handDriven(): { readonly wheel: TimeoutWheel; turn(ticks: number): void } {
  let tick = (): void => undefined;
  const wheel = new TimeoutWheel((run) => {
    tick = run;
    return () => undefined;
  });
  return {
    wheel,
    turn(ticks) {
      for (let i = 0; i < ticks; i += 1) tick();
    },
  };
}

function wait(timeoutMs = 100): {
  readonly over: readonly string[];
  readonly ticket: WaitTicket;
  readonly wheel: TimeoutWheel;
  turn(ticks: number): void;
  end(): void;
} {
  const ticket: WaitTicket = { ready: () => undefined };
  const over: string[] = [];
  const { wheel, turn } = handDriven();
  const waiting = startWaiting(wheel, { kind: 'wait', timeoutMs, ticket }, (how) => over.push(how));
  return {
    over,
    ticket,
    wheel,
    turn,
    end: () => {
      waiting.end();
    },
  };
}

const nextTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('startWaiting', () => {
  it('is over when its time is, once', async () => {
    const { over, ticket, turn, wheel } = wait();
    turn(5);
    expect(over).toEqual([]);
    turn(1);
    expect(over).toEqual(['timeout']);
    ticket.ready();
    await nextTick();
    turn(20);
    expect(over).toEqual(['timeout']);
    expect(wheel.size).toBe(0);
  });

  it('is over when it is called, from a stack of its own, once', async () => {
    const { over, ticket, turn, wheel } = wait();
    ticket.ready();
    expect(over).toEqual([]);
    await nextTick();
    expect(over).toEqual(['ready']);
    turn(20);
    expect(over).toEqual(['ready']);
    expect(wheel.size).toBe(0);
  });

  it('is not called any more once it is ended, even when the call is on its way', async () => {
    const { over, ticket, turn, wheel, end } = wait();
    ticket.ready();
    end();
    end();
    await nextTick();
    turn(20);
    expect(over).toEqual([]);
    expect(wheel.size).toBe(0);
  });
});
