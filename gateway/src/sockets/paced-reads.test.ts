import { Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { PacedReads, ReadTurns } from './paced-reads.ts';

const bulk = 65_536;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function readsOn(turns: ReadTurns): { readonly reads: PacedReads; readonly state: () => 'reads' | 'paused' } {
  const socket = new Socket();
  let state: 'reads' | 'paused' = 'reads';
  socket.pause = () => {
    state = 'paused';
    return socket;
  };
  socket.resume = () => {
    state = 'reads';
    return socket;
  };
  return { reads: new PacedReads(turns, socket), state: () => state };
}

/** Many connections, each of which has read once; more than a turn brings. */
function crowd(turns: ReadTurns): readonly ReturnType<typeof readsOn>[] {
  const all = Array.from({ length: 200 }, () => readsOn(turns));
  for (const { reads } of all) reads.after(bulk, 'part');
  return all;
}

const reading = (all: readonly ReturnType<typeof readsOn>[]): number =>
  all.filter(({ state }) => state() === 'reads').length;

describe('PacedReads', () => {
  it('lets some read on in each turn, in their order, until all have had theirs', async () => {
    const all = crowd(new ReadTurns());
    const before = reading(all);
    expect(before).toBe(127);
    const counts: number[] = [];
    while (reading(all) < all.length) {
      await turn();
      counts.push(reading(all));
    }
    expect(counts[0]).toBe(before + 4);
    expect(all.slice(0, before + 4).every(({ state }) => state() === 'reads')).toBe(true);
  });

  it('keeps a turn brief when a connection was accepted: the next one is taken over in the turn after', async () => {
    const turns = new ReadTurns();
    const all = crowd(turns);
    const before = reading(all);
    turns.accepted();
    await turn();
    expect(reading(all)).toBe(before + 1);
    for (const { reads } of all.slice(0, 8)) reads.after(bulk, 'part');
    // Four have brought the 256 KB of this turn.
    expect(reading(all)).toBe(before + 1 - 5);
  });

  it('never holds back what is little, or the end of a message', () => {
    const turns = new ReadTurns();
    crowd(turns);
    const [little, last] = [readsOn(turns), readsOn(turns)];
    little.reads.after(1_000, 'part');
    last.reads.after(bulk, 'end');
    expect([little.state(), last.state()]).toEqual(['reads', 'reads']);
  });

  it('stays paused for its user when its turn comes, and waits for a turn when its user reads on', async () => {
    const turns = new ReadTurns();
    const all = crowd(turns);
    const own = all[150];
    own?.reads.pause();
    while (reading(all) < all.length - 1) await turn();
    expect(own?.state()).toBe('paused');
    for (const { reads } of all)
      if (reads !== own?.reads) for (let k = 0; k < 5; k += 1) reads.after(bulk, 'part');
    own?.reads.resume();
    expect(own?.state()).toBe('paused');
    while (reading(all) < all.length) await turn();
  });
});
