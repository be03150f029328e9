import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Heap } from './heap.ts';

describe('Heap', () => {
  it('has the least first, whoever comes, goes and changes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(15), fc.nat(50), fc.constantFrom('in', 'out'))), (steps) => {
        const heap = new Heap<{ value: number; heapIndex: number }>((a, b) => a.value < b.value);
        const items = Array.from({ length: 16 }, () => ({ value: 0, heapIndex: -1 }));
        for (const [k, value, kind] of steps) {
          const item = items[k]!;
          if (kind === 'out') {
            heap.delete(item);
          } else {
            item.value = value;
            heap.add(item);
            heap.moved(item);
          }
          const inside = items.filter(({ heapIndex }) => heapIndex !== -1).map((each) => each.value);
          expect(heap.first?.value).toBe(inside.length === 0 ? undefined : Math.min(...inside));
        }
      }),
    );
  });
});
