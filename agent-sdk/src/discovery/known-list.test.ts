import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readList, type KnownList } from './known-list.ts';

/** What the list means, and in how many turns it was read. */
function read(
  text: string,
  known?: KnownList,
): { readonly list: KnownList | undefined; readonly turns: number } {
  const reading = readList(Buffer.from(text), known);
  for (let turns = 1; ; turns += 1) {
    const step = reading.next();
    if (step.done === true) return { list: step.value, turns };
  }
}

const valuesOf = (list: KnownList | undefined): readonly unknown[] | undefined =>
  list?.elements.map(({ value }) => value);

const jsonObject = fc.dictionary(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('"', '\\', '{"a":[', '\\"}', '\u2028é🚂')),
  { maxKeys: 4 },
);
const spaces = fc.constantFrom('', ' ', '\n', '\r\n\t ');

describe('readList', () => {
  it('means what JSON.parse means, whatever was known before and however it is spaced', () => {
    fc.assert(
      fc.property(fc.array(jsonObject), fc.array(jsonObject), spaces, (before, after, gap) => {
        const { list: known } = read(JSON.stringify(before));
        const text = `${gap}[${gap}${after.map((one) => JSON.stringify(one, undefined, gap)).join(`${gap},${gap}`)}${gap}]${gap}`;
        expect(valuesOf(read(text, known).list)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('gives an element that stood in the last list again as the same object, also out of order', () => {
    const ids = fc.uniqueArray(fc.nat(60), { maxLength: 40 });
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        const textOf = (list: readonly number[]): string =>
          JSON.stringify(list.map((id) => ({ id, more: ['x'] })));
        const { list: known } = read(textOf(before));
        const { list } = read(textOf(after), known);
        after.forEach((id, index) => {
          const place = before.indexOf(id);
          if (place !== -1) expect(list?.elements[index]?.value).toBe(known?.elements[place]?.value);
        });
      }),
    );
  });

  it('reads damaged text as JSON.parse does, or leaves it alone', () => {
    const byte = fc.oneof(fc.constantFrom(...Buffer.from('{}[]",\\: 0')), fc.nat(255));
    fc.assert(
      fc.property(fc.array(jsonObject, { minLength: 1 }), fc.nat(), byte, (objects, place, wrong) => {
        const whole = Buffer.from(JSON.stringify(objects));
        const { list: known } = read(whole.toString());
        const damaged = Buffer.from(whole);
        damaged[place % damaged.length] = wrong;
        let meant: unknown;
        try {
          const reading = readList(damaged, known);
          let step = reading.next();
          while (step.done !== true) step = reading.next();
          meant = valuesOf(step.value);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
          return;
        }
        if (meant !== undefined) expect(meant).toEqual(JSON.parse(damaged.toString('utf8')));
      }),
      { numRuns: 500 },
    );
  });

  it('leaves alone what is not a whole list of objects', () => {
    const { list: known } = read('[{"a":1}]');
    for (const text of [
      '',
      'null',
      '{"a":1}',
      '[1,2]',
      '[{"a":1}',
      '[{"a":1},]',
      '[{"a":1}]x',
      '[{"a":1}{"a":1}]',
      '[,{"a":1}]',
    ])
      expect([text, read(text, known).list]).toEqual([text, undefined]);
    expect(valuesOf(read('[]', known).list)).toEqual([]);
    expect(() => read('[{"a":}]')).toThrow(SyntaxError);
  });

  it('lets others have their turn while it parses, and less often in what it knows', () => {
    const text = JSON.stringify(Array.from({ length: 1_000 }, (_, id) => ({ id })));
    const first = read(text);
    expect(first.turns).toBe(21);
    expect(read(text, first.list).turns).toBe(3);
  });
});
