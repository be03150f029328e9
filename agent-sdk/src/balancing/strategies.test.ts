import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createStrategy } from './create-strategy.ts';
import { Latency } from './latency.ts';
import type { Member, Strategy } from './strategy.ts';
import { randomFrom } from './testing/samples.ts';
import type { BalanceStrategy } from './upstream-policy.ts';

interface Sample extends Member {
  inFlight: number;
  /** How often the strategy looked at it. */
  looks: number;
}

function member(key: string, weight = 1): Sample {
  let inFlight = 0;
  return {
    key,
    weight,
    latency: new Latency(),
    looks: 0,
    get inFlight() {
      this.looks += 1;
      return inFlight;
    },
    set inFlight(value) {
      inFlight = value;
    },
  };
}

const members = (weights: readonly number[]) => weights.map((weight, k) => member(`n/${k}`, weight));

function strategy(name: BalanceStrategy, seed = 1): Strategy {
  return createStrategy(name, { random: randomFrom(seed), now: () => 0, typicalMs: () => 10 });
}

const names: readonly BalanceStrategy[] = [
  'round-robin',
  'least-requests',
  'power-of-two',
  'random',
  'consistent-hash',
];

const weightLists = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 60 });

describe.each(names)('%s', (name) => {
  it('picks only whom it has admitted, and somebody as long as anybody is', () => {
    fc.assert(
      fc.property(
        weightLists,
        fc.array(fc.nat(59), { maxLength: 80 }),
        fc.nat(),
        (weights, toggles, seed) => {
          const tested = strategy(name, seed);
          tested.replace(members(weights));
          const open = new Set(weights.keys());
          const wrong: number[] = [];
          for (const toggle of toggles.map((each) => each % weights.length)) {
            if (open.delete(toggle)) {
              tested.disable(toggle);
            } else {
              open.add(toggle);
              tested.enable(toggle);
            }
            for (let k = 0; k < 3; k += 1) {
              const place = tested.pick((seed * 31 + toggle + k) >>> 0);
              if (open.size === 0 ? place !== -1 : !open.has(place)) wrong.push(place);
            }
          }
          expect(wrong).toEqual([]);
        },
      ),
    );
  });

  it('gives weights their share under load', () => {
    const list = members([1, 2, 5, 8, 4]);
    const tested = strategy(name);
    tested.replace(list);
    const random = randomFrom(7);
    const counts = list.map(() => 0);
    const held: number[] = [];
    for (let k = 0; k < 20_000; k += 1) {
      const place = tested.pick(Math.floor(random() * 2 ** 32));
      counts[place]! += 1;
      list[place]!.inFlight += 1;
      tested.loadChanged?.(place);
      held.push(place);
      if (held.length <= 200) continue;
      const done = held.splice(Math.floor(random() * held.length), 1)[0]!;
      list[done]!.inFlight -= 1;
      tested.loadChanged?.(done);
    }
    // On a ring of 64 points, shares lie as the hashes fall.
    // Of two random ones, the heaviest is not always among them.
    const tolerance = { 'consistent-hash': 0.3, 'power-of-two': 0.15 }[name as string] ?? 0.06;
    counts.forEach((count, k) => {
      const share = (20_000 * list[k]!.weight) / 20;
      expect(count / share).toBeGreaterThan(1 - tolerance);
      expect(count / share).toBeLessThan(1 + tolerance);
    });
  });

  it('looks at a handful of 10,000 members, whoever is shut', () => {
    const list = members(Array.from({ length: 10_000 }, (_, k) => 1 + (k % 3)));
    const tested = strategy(name);
    tested.replace(list);
    const shutBelow = (limit: number) => {
      for (let place = 0; place < limit; place += 1) tested.disable(place);
    };
    shutBelow(5_000);
    const looksOf = (picks: number) => {
      for (const each of list) each.looks = 0;
      const picked = Array.from({ length: picks }, (_, k) => tested.pick(k * 0x9e37));
      expect(Math.min(...picked)).toBeGreaterThanOrEqual(5_000);
      return list.reduce((sum, each) => sum + each.looks, 0);
    };
    expect(looksOf(1_000)).toBeLessThanOrEqual(3_000);
    for (let place = 5_000; place < 9_999; place += 1) tested.disable(place);
    expect(looksOf(1_000)).toBeLessThanOrEqual(3_000);
    expect(tested.pick(1)).toBe(9_999);
  });
});

describe('round-robin', () => {
  it('never gives one member a turn more than another of those that are admitted', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(fc.nat(69)),
        fc.nat(200),
        (count, shut, picks) => {
          const tested = strategy('round-robin');
          tested.replace(members(Array.from({ length: count }, () => 1)));
          const gone = new Set(shut.map((place) => place % count));
          for (const place of gone) tested.disable(place);
          if (gone.size === count) return;
          const counts = new Map([...Array(count).keys()].filter((k) => !gone.has(k)).map((k) => [k, 0]));
          for (let k = 0; k < picks; k += 1) {
            const place = tested.pick(undefined);
            counts.set(place, counts.get(place)! + 1);
          }
          expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('gives weights their exact share in every cycle', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 12 }), (weights) => {
        const tested = strategy('round-robin');
        tested.replace(members(weights));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = weights.map(() => 0);
        for (let k = 0; k < total; k += 1) counts[tested.pick(undefined)]! += 1;
        expect(counts).toEqual(weights);
      }),
    );
  });
});

describe('least-requests', () => {
  it('takes the least loaded, and equals in turn', () => {
    const list = members([1, 1, 1]);
    const tested = strategy('least-requests');
    tested.replace(list);
    expect([0, 1, 2, 3].map(() => tested.pick(undefined))).toEqual([0, 1, 2, 0]);
    list[1]!.inFlight = list[0]!.inFlight = 3;
    tested.loadChanged?.(0);
    tested.loadChanged?.(1);
    expect([0, 1, 2].map(() => tested.pick(undefined))).toEqual([2, 2, 2]);
  });

  it('gives nobody back the turns that it sat out', () => {
    const list = members([1, 1]);
    const tested = strategy('least-requests');
    tested.replace(list);
    tested.disable(1);
    for (let k = 0; k < 100; k += 1) expect(tested.pick(undefined)).toBe(0);
    tested.enable(1);
    const next = Array.from({ length: 10 }, () => tested.pick(undefined));
    expect(next.filter((place) => place === 1).length).toBeLessThanOrEqual(6);
  });
});

describe('power-of-two', () => {
  it('moves away from a slow member, and not towards one that errs quickly', () => {
    const [slow, erring, ...good] = members([1, 1, 1, 1, 1, 1]);
    const tested = strategy('power-of-two');
    tested.replace([slow!, erring!, ...good]);
    slow!.latency.answered(100, 0);
    for (const each of [erring!, ...good]) each.latency.answered(10, 0);
    erring!.latency.erred(0.1, 0);
    const counts = [0, 0, 0, 0, 0, 0];
    for (let k = 0; k < 6_000; k += 1) counts[tested.pick(undefined)]! += 1;
    // Of 15 pairs, 4 have the slow one with a good one, 4 the erring one; they meet in one.
    expect(counts[1]).toBe(0);
    expect(counts[0]! / 6_000).toBeLessThan(0.1);
    expect(Math.min(...counts.slice(2))).toBeGreaterThan(1_000);
  });
});

describe('consistent-hash', () => {
  const keys = Array.from({ length: 4_000 }, (_, k) => Math.imul(k, 0x9e37_79b1) >>> 0);
  const placed = (list: readonly Member[]) => {
    const tested = strategy('consistent-hash');
    tested.replace(list);
    return keys.map((key) => list[tested.pick(key)]!.key);
  };

  it('moves only what belonged to those that leave, or goes to those that come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 20 }),
        fc.array(fc.nat(19), { minLength: 1, maxLength: 6 }),
        (weights, leaving) => {
          // One of the heaviest stays, so that the scale of weights does.
          const all = [member('stays', 4), ...members(weights)];
          const gone = new Set(leaving.map((k) => all[1 + (k % weights.length)]!.key));
          const [before, after] = [placed(all), placed(all.filter(({ key }) => !gone.has(key)))];
          const wrong = before.filter((key, k) => (gone.has(key) ? gone.has(after[k]!) : after[k] !== key));
          expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('moves about a share of one in n when one joins', () => {
    const nine = members(Array.from({ length: 9 }, () => 1));
    const [before, after] = [placed(nine), placed([...nine, member('new')])];
    const moved = before.filter((key, k) => key !== after[k]).length;
    expect(moved / keys.length).toBeGreaterThan(0.05);
    expect(moved / keys.length).toBeLessThan(0.16);
  });

  it('gives what belonged to a shut member to others, and back', () => {
    const list = members([1, 1, 1, 1]);
    const tested = strategy('consistent-hash');
    tested.replace(list);
    const before = keys.map((key) => tested.pick(key));
    tested.disable(2);
    const meanwhile = keys.map((key) => tested.pick(key));
    expect(meanwhile).not.toContain(2);
    expect(meanwhile.filter((place, k) => before[k] !== 2 && before[k] !== place)).toEqual([]);
    tested.enable(2);
    expect(keys.map((key) => tested.pick(key))).toEqual(before);
  });

  it('lets nobody have more than a quarter over its share of what is in flight', () => {
    const list = members([1, 1, 2, 4]);
    const tested = strategy('consistent-hash');
    tested.replace(list);
    for (let load = 0; load < 400; load += 1) {
      const place = tested.pick(12_345);
      list[place]!.inFlight += 1;
      tested.loadChanged?.(place);
      expect(list[place]!.inFlight).toBeLessThanOrEqual(
        Math.ceil((1.25 * (load + 1) * list[place]!.weight) / 8),
      );
    }
  });

  it('places a request the same in every process', () => {
    const list = members([1, 2, 3]);
    const picks = [1, 2].map((seed) => {
      const tested = strategy('consistent-hash', seed);
      tested.replace(list);
      return keys.map((key) => tested.pick(key));
    });
    expect(picks[0]).toEqual(picks[1]);
  });
});
