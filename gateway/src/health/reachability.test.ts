import { expect, it } from 'vitest';

import type { ProbeResult } from './probe.ts';
import { createReachability } from './reachability.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { record } from './testing/fake-instance.ts';

const a = record(1, { id: 'a' });
const alive: ProbeResult = { kind: 'alive' };
const dead: ProbeResult = { kind: 'dead', reason: 'connection refused' };

/** Reachability whose probes are answered by the test, in the order in which they were asked. */
function setUp() {
  let nowMs = 0;
  const open: ((result: ProbeResult) => void)[] = [];
  const told: string[] = [];
  let signal: AbortSignal | undefined;
  const reachability = createReachability({
    probe: (_instance, _question, given) => {
      signal = given;
      return new Promise((resolve) => open.push(resolve));
    },
    limit: createConcurrencyLimit(8),
    onUnreachable: ({ id }, reason) => told.push(`${id} ${reason}`),
    now: () => nowMs,
  });
  return {
    reachability,
    told,
    signal: () => signal,
    asked: () => open.length,
    answer: async (index: number, result: ProbeResult) => {
      open[index]?.(result);
      await new Promise((resolve) => setImmediate(resolve));
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

it('probes a new instance once, and remembers that it is alive', async () => {
  const { reachability, asked, answer, pass, told } = setUp();
  reachability.add(a);
  expect(reachability.of(a)).toBeUndefined();
  await answer(0, alive);
  pass(100_000);
  expect(reachability.of(a)).toEqual(alive);
  expect(asked()).toBe(1);
  expect(told).toEqual([]);
});

it('tells once of a new instance that cannot be reached, and asks again when somebody wants to know', async () => {
  const { reachability, asked, answer, pass, told } = setUp();
  reachability.add(a);
  await answer(0, dead);
  expect(told).toEqual(['a connection refused']);
  expect(reachability.of(a)).toEqual(dead);
  expect(asked()).toBe(1);
  pass(250);
  // The old word stands until there is a new one.
  expect([reachability.of(a), reachability.of(a)]).toEqual([dead, dead]);
  expect(asked()).toBe(2);
  await answer(1, dead);
  expect(told).toHaveLength(1);
  pass(250);
  reachability.of(a);
  await answer(2, alive);
  expect(reachability.of(a)).toEqual(alive);
});

it('probes an instance of which it never heard when somebody asks, without telling of it', async () => {
  const { reachability, answer, told } = setUp();
  expect(reachability.of(a)).toBeUndefined();
  await answer(0, dead);
  expect(reachability.of(a)).toEqual(dead);
  expect(told).toEqual([]);
});

it('probes once when an instance asks before it is noticed, and tells all the same', async () => {
  const early = setUp();
  early.reachability.of(a);
  early.reachability.add(a);
  await early.answer(0, dead);
  expect([early.asked(), early.told]).toEqual([1, ['a connection refused']]);
  const late = setUp();
  late.reachability.of(a);
  await late.answer(0, dead);
  late.reachability.add(a);
  expect([late.asked(), late.told]).toEqual([1, ['a connection refused']]);
});

it('forgets an instance that is gone, also when its answer comes later', async () => {
  const { reachability, asked, answer, told } = setUp();
  reachability.add(a);
  reachability.remove(a);
  await answer(0, dead);
  expect(told).toEqual([]);
  expect(reachability.of(a)).toBeUndefined();
  expect(asked()).toBe(2);
});

it('keeps what it knew when a probe says nothing', async () => {
  const { reachability, answer, pass, asked } = setUp();
  reachability.of(a);
  await answer(0, { kind: 'inconclusive', reason: 'the gateway stalled' });
  expect(reachability.of(a)).toBeUndefined();
  pass(250);
  reachability.of(a);
  expect(asked()).toBe(2);
});

it('gives up its probes when it stops', () => {
  const { reachability, signal } = setUp();
  reachability.add(a);
  reachability.stop();
  expect(signal()?.aborted).toBe(true);
});
