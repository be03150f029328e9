import { beforeEach, describe, expect, it, vi } from 'vitest';

import { Demand } from './demand.ts';
import { ReadingPlan, type PlannedReader, type Turn } from './reading-plan.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  return () => {
    vi.useRealTimers();
  };
});

const now = (): number => performance.now();

/** A plan with so many seats, and readers that want to block. */
function setUp(seats: number) {
  const budget = { seats };
  const plan = new ReadingPlan({ budget, wait: { waitMs: 60_000 }, now, random: () => 0 });
  const end = new AbortController();
  const add = (service: string | undefined) => {
    const demand = new Demand();
    const leaving = new AbortController();
    const signal = AbortSignal.any([end.signal, leaving.signal]);
    const reader = plan.join({ service, demand, signal });
    return {
      reader,
      demand,
      leave: () => {
        leaving.abort();
      },
    };
  };
  return { plan, budget, add };
}

/** The turn that a reader has got so far. */
async function turnOf(reader: PlannedReader, wanted: 'block' | 'plain' = 'block') {
  const got: { turn?: Turn } = {};
  void reader.turn(wanted).then((turn) => {
    got.turn = turn;
  });
  await vi.advanceTimersByTimeAsync(0);
  return got;
}

describe('a reading plan', () => {
  it('lets all block for the whole wait while there are seats for twice as many', async () => {
    const { add } = setUp(4);
    const [a, b] = [add('a'), add('b')];
    expect(await turnOf(a.reader)).toEqual({ turn: { kind: 'block', waitMs: 60_000 } });
    expect(await turnOf(b.reader)).toEqual({ turn: { kind: 'block', waitMs: 60_000 } });
  });

  it('always has a seat for the catalog, and short waits where seats are scarce', async () => {
    const { add } = setUp(1);
    expect(await turnOf(add('a').reader)).toEqual({ turn: { kind: 'block', waitMs: 10_000 } });
    expect(await turnOf(add(undefined).reader)).toEqual({ turn: { kind: 'block', waitMs: 60_000 } });
  });

  it('reads those without a seat in turn', async () => {
    const { add } = setUp(1);
    await turnOf(add('a').reader);
    const { reader } = add('b');
    await turnOf(reader, 'plain');
    reader.done('same');
    const got = await turnOf(reader);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(got).toEqual({});
    await vi.advanceTimersByTimeAsync(200);
    expect(got).toEqual({ turn: { kind: 'in_turn' } });
  });

  it('reads 50 a second in turn at most, and no more than six at a time', async () => {
    const { add, plan } = setUp(1);
    await turnOf(add('a').reader);
    const others = Array.from({ length: 200 }, (_, number) => add(`s${number}`));
    const turns: Turn[] = [];
    for (const { reader } of others) {
      void reader.turn('block').then((turn) => {
        turns.push(turn);
        reader.done('same');
      });
    }
    plan.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(turns.length).toBeGreaterThan(45);
    expect(turns.length).toBeLessThan(55);
    const plain = await Promise.all(
      Array.from({ length: 8 }, (_, number) => turnOf(add(`p${number}`).reader, 'plain')),
    );
    expect(plain.filter(({ turn }) => turn !== undefined)).toHaveLength(6);
  });

  it('passes nobody over, however many wait', async () => {
    const { add } = setUp(1);
    await turnOf(add('a').reader);
    const turns = new Map<string, number>();
    for (let number = 0; number < 200; number += 1) {
      const { reader, demand } = add(`s${number}`);
      demand.note();
      const read = async (): Promise<void> => {
        await reader.turn('block');
        turns.set(`s${number}`, (turns.get(`s${number}`) ?? 0) + 1);
        reader.done('same');
        return read();
      };
      void read();
    }
    await vi.advanceTimersByTimeAsync(9_000);
    expect(turns.size).toBe(200);
    expect(Math.min(...turns.values())).toBe(2);
  });

  it('reads at once what a request asks for, and gives it the next seat', async () => {
    const { add } = setUp(1);
    const [a, b] = [add('a'), add('b')];
    await turnOf(a.reader);
    const got = await turnOf(b.reader);
    b.reader.done('same');
    expect((await turnOf(b.reader)).turn).toBeUndefined();
    b.demand.note();
    await vi.advanceTimersByTimeAsync(0);
    expect(got.turn).toBeDefined();
    b.reader.done('same');
    const next = await turnOf(b.reader);
    a.reader.done('same');
    expect((await turnOf(a.reader)).turn).toBeUndefined();
    await vi.advanceTimersByTimeAsync(0);
    expect(next).toEqual({ turn: { kind: 'block', waitMs: 10_000 } });
  });

  it('prefers what changed last among services without requests, and takes no seat from one with requests', async () => {
    const { add } = setUp(1);
    const [a, b] = [add('a'), add('b')];
    await turnOf(a.reader);
    await vi.advanceTimersByTimeAsync(10);
    await turnOf(b.reader, 'plain');
    b.reader.done('changed');
    const waiting = await turnOf(b.reader);
    a.demand.note();
    a.reader.done('same');
    expect(await turnOf(a.reader)).toMatchObject({ turn: { kind: 'block' } });
    expect(waiting).toEqual({});
    await vi.advanceTimersByTimeAsync(61_000);
    b.reader.done('changed');
    const later = await turnOf(b.reader);
    a.reader.done('same');
    expect(await turnOf(a.reader)).toEqual({});
    expect(later).toMatchObject({ turn: { kind: 'block' } });
  });

  it('takes seats back when the budget shrinks, and leaves no timer when all have left', async () => {
    const { add, budget } = setUp(2);
    const [a, b] = [add('a'), add('b')];
    await turnOf(a.reader);
    await turnOf(b.reader);
    budget.seats = 1;
    b.reader.done('same');
    const got = await turnOf(b.reader);
    expect(got).toEqual({});
    expect(vi.getTimerCount()).toBe(1);
    a.leave();
    expect(await turnOf(a.reader)).toEqual({ turn: { kind: 'block', waitMs: expect.any(Number) as number } });
    await vi.advanceTimersByTimeAsync(0);
    expect(got).toMatchObject({ turn: { kind: 'block' } });
    b.leave();
    expect(vi.getTimerCount()).toBe(0);
  });
});
