import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BitSet } from './bit-set.ts';

describe('BitSet', () => {
  it('finds the next element around the end, as looking at each one would', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3_000 }),
        fc.array(fc.tuple(fc.nat(2_999), fc.boolean(), fc.nat(3_000)), { maxLength: 60 }),
        fc.constantFrom('all', 'none'),
        (size, steps, start) => {
          const tested = new BitSet(size);
          const model = new Set(Array(size).keys());
          if (start === 'none') {
            for (const element of [...model]) {
              tested.delete(element);
              model.delete(element);
            }
          }
          const found: number[] = [];
          for (const [element, adds, from] of steps) {
            if (element < size) {
              if (adds) {
                tested.add(element);
                model.add(element);
              } else {
                tested.delete(element);
                model.delete(element);
              }
            }
            const sorted = [...model].sort((a, b) => a - b);
            const expected = sorted.find((each) => each >= from) ?? sorted[0] ?? -1;
            found.push(tested.nextFrom(from) - expected);
          }
          expect(found).toEqual(steps.map(() => 0));
        },
      ),
      { numRuns: 60 },
    );
  });
});
