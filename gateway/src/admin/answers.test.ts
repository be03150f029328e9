import { describe, expect, it } from 'vitest';

import { createAnswers, jsonTexts } from './answers.ts';

/** Answers whose parts take `costMs` of virtual time each. */
function rig(costMs: number, parts = 10) {
  let nowMs = 0;
  let made = 0;
  const answers = createAnswers(() => nowMs);
  function* texts(): Generator<string> {
    made += 1;
    for (let k = 0; k < parts; k += 1) {
      nowMs += costMs;
      yield String(k);
    }
  }
  return {
    answers,
    ask: async () => (await answers.text('a', texts)).toString(),
    made: () => made,
    pass: (ms: number) => (nowMs += ms),
  };
}

describe('answers', () => {
  it('are made once for all who ask meanwhile, with other work in between', async () => {
    const { ask, made } = rig(1);
    let turns = 0;
    let state: 'making' | 'made' = 'making';
    const count = (): void => {
      turns += 1;
      if (state === 'making') setImmediate(count);
    };
    setImmediate(count);
    const all = await Promise.all([ask(), ask(), ask()]);
    state = 'made';
    expect(all).toEqual(['0123456789', '0123456789', '0123456789']);
    expect(made()).toBe(1);
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  it('are kept for twenty times what they cost, and made anew at once when they are cheap', async () => {
    const dear = rig(1);
    await dear.ask();
    dear.pass(199);
    await dear.ask();
    expect(dear.made()).toBe(1);
    dear.pass(1);
    await dear.ask();
    expect(dear.made()).toBe(2);
    dear.answers.forget();
    await dear.ask();
    expect(dear.made()).toBe(3);
    const cheap = rig(0.4);
    await cheap.ask();
    await cheap.ask();
    expect(cheap.made()).toBe(2);
  });

  it('go out one after the other when they are large', async () => {
    const pauses: number[] = [];
    const answers = createAnswers(
      () => 0,
      (ms) => Promise.resolve(pauses.push(ms)),
    );
    const large = 'x'.repeat(3_200_000);
    for (let k = 0; k < 3; k += 1) await answers.text('large', () => [large]);
    await answers.text('small', () => ['x']);
    expect(pauses).toEqual([100, 200]);
  });

  it('fail for all who wait, and are made again for the next', async () => {
    const answers = createAnswers(() => 0);
    const fails = answers.text('a', () => {
      throw new Error('no');
    });
    await expect(fails).rejects.toThrow('no');
    expect((await answers.text('a', () => ['x'])).toString()).toBe('x');
  });

  it('are JSON whatever fields and lists there are', () => {
    const text = (fields: object, lists: Record<string, unknown[]>): unknown =>
      JSON.parse([...jsonTexts(fields, lists)].join(''));
    expect(text({}, { a: [] })).toEqual({ a: [] });
    expect(text({ x: 1 }, { a: [1, { b: 2 }], c: [] })).toEqual({ x: 1, a: [1, { b: 2 }], c: [] });
    expect(text({ x: 1 }, {})).toEqual({ x: 1 });
  });
});
