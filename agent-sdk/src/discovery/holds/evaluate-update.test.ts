import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { evaluateUpdate, type HoldState, noHold, type Suspicion } from './evaluate-update.ts';
import { type CatalogItem, holdableCatalog, type HoldableKind, holdableService } from './holdable.ts';
import type { Catalog, Instance, Snapshot } from '../instance.ts';
import { fixedSnapshot } from '../snapshot.ts';
import { compareSnapshots } from '../snapshot-change.ts';

/** `a@1` is instance a on port 1; `a!1` is the same in a critical state, `a~1` a draining one. */
function snapshot(...instances: readonly string[]): Snapshot {
  const list = instances.map((text) => {
    const [id = '', port = ''] = text.split(/[@!~]/u);
    const instance = fixedSnapshot('api', [{ address: '10.0.0.1', port: Number(port) }]).instances[0]!;
    return {
      ...instance,
      id,
      key: `default/n/${id}`,
      status: text.includes('!') ? 'critical' : text.includes('~') ? 'draining' : 'passing',
    } as const;
  });
  return { service: 'api', index: '1', instances: list, quarantined: [], held: [] };
}

interface Facts<Value> {
  readonly accepted: Value | undefined;
  readonly answer: Value;
  readonly suspicion: Suspicion;
  readonly nowMs: number;
  readonly holdMs?: number;
  readonly maxRemovedRatio?: number;
}

/** One answer, evaluated as a watch does. */
function evaluate<Value, Update, Item>(
  kind: HoldableKind<Value, Update, Item>,
  before: HoldState<Item>,
  { accepted, answer, suspicion, nowMs, holdMs = 30_000, maxRemovedRatio = 1 }: Facts<Value>,
): { readonly value: Value; readonly update: Update | undefined; readonly state: HoldState<Item> } {
  const comparison = kind.compare(accepted, answer);
  const parts = { accepted: comparison.accepted(), missing: comparison.missing() };
  const state = evaluateUpdate(kind, before, { ...parts, suspicion, nowMs, holdMs, maxRemovedRatio });
  return { ...comparison.accept(state.hold), state };
}

/** Feeds answers one after the other, as a watch does. */
function believer(
  holdMs = 30_000,
  maxRemovedRatio = 1,
): (nowMs: number, suspicion: Suspicion, ...instances: string[]) => string {
  let accepted: Snapshot | undefined;
  let state: HoldState<Instance> = noHold;
  return (nowMs, suspicion, ...instances) => {
    const answer = snapshot(...instances);
    const next = evaluate(holdableService, state, {
      accepted,
      answer,
      suspicion,
      nowMs,
      holdMs,
      maxRemovedRatio,
    });
    ({ value: accepted, state } = next);
    const ids = next.value.instances.map(({ id, status }) => (status === 'passing' ? id : `${id}!`));
    return `${ids.join(' ')} (${next.value.held.length} held)`;
  };
}

describe('evaluateUpdate', () => {
  it('believes an ordinary answer at once, even an empty one', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2');
    expect(tell(1, 'none')).toBe(' (0 held)');
  });

  it('believes the first answer, whatever it is', () => {
    expect(believer()(0, 'after_failure')).toBe(' (0 held)');
  });

  it.each<Suspicion>(['index', 'after_failure'])(
    'keeps all instances when an answer in %s is empty',
    (suspicion) => {
      const tell = believer();
      tell(0, 'none', 'a@1', 'b@2');
      expect(tell(1, suspicion)).toBe('a b (2 held)');
    },
  );

  it('keeps the missing half, and believes the loss of less', () => {
    const half = believer();
    half(0, 'none', 'a@1', 'b@2');
    expect(half(1, 'after_failure', 'a@1')).toBe('a b (1 held)');
    const third = believer();
    third(0, 'none', 'a@1', 'b@2', 'c@3');
    expect(third(1, 'after_failure', 'a@1', 'b@2')).toBe('a b (0 held)');
  });

  it('lets each instance of a registry that restarted empty come back in its own time', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2', 'c@3');
    expect(tell(1000, 'after_failure')).toBe('a b c (3 held)');
    expect(tell(2000, 'none', 'b@2')).toBe('a b c (2 held)');
    expect(tell(9000, 'none', 'a@1', 'b@2')).toBe('a b c (1 held)');
    expect(tell(14_000, 'none', 'a@1', 'b@2', 'c@3')).toBe('a b c (0 held)');
    expect(tell(14_001, 'none')).toBe(' (0 held)');
  });

  it('believes the answer alone when the time is over', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2');
    tell(1000, 'after_failure');
    expect(tell(30_999, 'none')).toBe('a b (2 held)');
    expect(tell(31_000, 'none', 'c@3')).toBe('c (0 held)');
  });

  it('takes an instance that listens where a held one did for that one', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2');
    tell(1, 'after_failure');
    expect(tell(2, 'none', 'x@1')).toBe('b x (1 held)');
  });

  it('takes a held id at a new address for come back', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2');
    tell(1, 'after_failure');
    expect(tell(2, 'none', 'a@9')).toBe('a b (1 held)');
  });

  it('drops at once what came back and then left', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2', 'c@3');
    tell(1, 'after_failure');
    tell(2, 'none', 'a@1', 'b@2');
    expect(tell(3, 'none', 'b@2')).toBe('b c (1 held)');
  });

  it('counts at once what the answer does list, newcomers and bad news included', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2', 'c@3');
    expect(tell(1, 'after_failure', 'a!1', 'd@4')).toBe('a! b c d (2 held)');
  });

  it('measures the loss by the instances that could serve', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2', 'w!7', 'x!8', 'y!9');
    expect(tell(1, 'after_failure', 'w!7', 'x!8', 'y!9')).toBe('a b w! x! y! (2 held)');
    const other = believer();
    other(0, 'none', 'a@1', 'b@2', 'x!8', 'y!9', 'z!7');
    expect(other(1, 'after_failure', 'a@1', 'b@2')).toBe('a b (0 held)');
  });

  it('holds on longer when trouble returns, also for the rest of an earlier hold', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2', 'c@3');
    tell(1000, 'after_failure');
    tell(2000, 'none', 'a@1', 'b@2');
    expect(tell(40_000, 'after_failure', 'a@1', 'b@2')).toBe('a b c (1 held)');
    expect(tell(69_999, 'none', 'a@1', 'b@2')).toBe('a b c (1 held)');
    expect(tell(70_000, 'none', 'a@1', 'b@2')).toBe('a b (0 held)');
  });

  it('gives a registry that is always doubtful its way in the end', () => {
    const tell = believer();
    tell(0, 'none', 'a@1', 'b@2');
    expect(tell(1000, 'index')).toBe('a b (2 held)');
    expect(tell(20_000, 'index')).toBe('a b (2 held)');
    expect(tell(31_000, 'index')).toBe(' (0 held)');
  });

  it('holds nothing when the time to hold is zero', () => {
    const tell = believer(0);
    tell(0, 'none', 'a@1');
    expect(tell(1, 'after_failure')).toBe(' (0 held)');
  });

  describe('of an ordinary answer that takes away much', () => {
    const strict = () => believer(30_000, 0.5);

    it('keeps what is missing when it is more than the share, and says why', () => {
      const belief = evaluate(holdableService, noHold, {
        accepted: snapshot('a@1', 'b@2', 'c@3'),
        answer: snapshot('a@1'),
        suspicion: 'none',
        nowMs: 0,
        holdMs: 1000,
        maxRemovedRatio: 0.5,
      });
      expect(belief.value).toMatchObject({ held: ['default/n/b', 'default/n/c'], heldBecause: 'removal' });
      expect(belief.update?.removed).toEqual([]);
      expect(belief.state.hold).toMatchObject({ untilMs: 1000, because: 'removal' });
    });

    it('believes the loss of exactly the share, and of one after the other', () => {
      const tell = strict();
      tell(0, 'none', 'a@1', 'b@2', 'c@3', 'd@4');
      expect(tell(1, 'none', 'a@1', 'b@2')).toBe('a b (0 held)');
      expect(tell(2, 'none', 'a@1')).toBe('a (0 held)');
    });

    it('believes that one alone has left, even when it was the last', () => {
      const tell = strict();
      tell(0, 'none', 'a@1', 'b@2');
      expect(tell(1, 'none', 'a@1')).toBe('a (0 held)');
      expect(tell(5_002, 'none')).toBe(' (0 held)');
    });

    it('takes removals that follow each other closely for one', () => {
      const facts = {
        accepted: snapshot('a@1'),
        answer: snapshot(),
        suspicion: 'none',
        nowMs: 6_000,
        maxRemovedRatio: 0.5,
      } as const;
      const held = (removedMs: number) =>
        evaluate(holdableService, { hold: undefined, removedMs }, facts).value.held;
      expect(held(1_000)).toEqual(['default/n/a']);
      expect(held(999)).toEqual([]);
    });

    it('never holds what drained before', () => {
      const tell = strict();
      tell(0, 'none', 'a~1', 'b~2', 'c@3');
      expect(tell(1, 'none', 'c@3')).toBe('c (0 held)');
    });

    it('holds what was called critical in a mass and then forgotten', () => {
      const tell = strict();
      tell(0, 'none', 'a@1', 'b@2', 'c@3');
      tell(1, 'none', 'a!1', 'b!2', 'c!3');
      expect(tell(2, 'none')).toBe('a! b! c! (3 held)');
    });

    it('measures a further removal by what was still listed', () => {
      const tell = strict();
      tell(0, 'none', 'a@1', 'b@2', 'c@3', 'd@4', 'e@5', 'f@6', 'g@7');
      expect(tell(1, 'none', 'a@1', 'b@2', 'c@3')).toBe('a b c d e f g (4 held)');
      expect(tell(2, 'none', 'a@1', 'b@2')).toBe('a b d e f g (4 held)');
      expect(tell(3, 'none')).toBe('a b d e f g (6 held)');
      expect(tell(30_003, 'none')).toBe(' (0 held)');
    });
  });

  it('never loses an instance of the answer, never shows one twice, and ends every hold', () => {
    const step = fc.record({
      afterMs: fc.nat(20_000),
      suspicion: fc.constantFrom<Suspicion>('none', 'index', 'after_failure'),
      ids: fc.subarray(['a@1', 'b@2', 'c@3', 'd@4', 'e!5', 'x@1']),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let accepted: Snapshot | undefined;
        let state: HoldState<Instance> = noHold;
        let nowMs = 0;
        for (const { afterMs, suspicion, ids } of steps) {
          nowMs += afterMs;
          const answer = snapshot(...ids);
          const before = accepted;
          const next = evaluate(holdableService, state, { accepted, answer, suspicion, nowMs });
          ({ value: accepted, state } = next);
          const keys = accepted.instances.map(({ key }) => key);
          expect(new Set(keys).size).toBe(keys.length);
          expect(keys.length).toBe(answer.instances.length + accepted.held.length);
          expect(accepted.instances).toEqual(expect.arrayContaining([...answer.instances]));
          expect(accepted.held.length).toBe(state.hold?.items.length ?? 0);
          // The change that comes with it is the one that a comparison of the accepted lists gives.
          const { added, removed, updated } = compareSnapshots(before, accepted);
          if (next.update !== undefined) expect(next.update).toMatchObject({ added, removed, updated });
          else expect([...added, ...removed, ...updated]).toEqual([]);
        }
        const last = evaluate(holdableService, state, {
          accepted,
          answer: snapshot(),
          suspicion: 'none',
          nowMs: nowMs + 30_000,
        });
        expect([last.value, last.state.hold]).toEqual([snapshot(), undefined]);
      }),
    );
  });

  it('weighs 10,000 instances in a few milliseconds', () => {
    const accepted = snapshot(...Array.from({ length: 10_000 }, (_, i) => `i${i}@${i + 1}`));
    const startedMs = performance.now();
    const facts = { accepted, answer: snapshot(), suspicion: 'after_failure', nowMs: 0, holdMs: 1 } as const;
    expect(evaluate(holdableService, noHold, facts).value.held).toHaveLength(10_000);
    expect(performance.now() - startedMs).toBeLessThan(300);
  });
});

describe('holdableCatalog', () => {
  const catalog = (services: Record<string, readonly string[]>): Catalog => ({ index: '1', services });

  function tell(
    before: Record<string, string[]>,
    ...answers: Record<string, string[]>[]
  ): Catalog['services'] {
    let accepted = catalog(before);
    let state: HoldState<CatalogItem> = noHold;
    answers.forEach((services, nowMs) => {
      const suspicion = nowMs === 0 ? 'after_failure' : 'none';
      const facts = { accepted, answer: catalog(services), suspicion, nowMs, holdMs: 1000 } as const;
      ({ value: accepted, state } = evaluate(holdableCatalog, state, facts));
    });
    return { ...accepted.services };
  }

  it('keeps services and their tags when only Consul itself is left', () => {
    expect(tell({ api: ['x'], consul: [] }, { consul: [] })).toEqual({ api: ['x'], consul: [] });
  });

  it('keeps the tags of instances that have not come back yet', () => {
    const before = { api: ['v1', 'v2'], web: ['w'], consul: [] };
    expect(tell(before, { consul: [] }, { api: ['v2', 'v3'], consul: [] })).toEqual({
      api: ['v1', 'v2', 'v3'],
      web: ['w'],
      consul: [],
    });
  });

  it('believes the loss of less than half of the services', () => {
    expect(tell({ a: [], b: [], c: ['x'] }, { a: [], b: [] })).toEqual({ a: [], b: [] });
  });

  it('keeps service names that are parts of Object', () => {
    const services = tell(JSON.parse('{"__proto__":["x"],"constructor":[]}') as Record<string, string[]>, {});
    expect(Object.keys(services).sort()).toEqual(['__proto__', 'constructor']);
  });
});
