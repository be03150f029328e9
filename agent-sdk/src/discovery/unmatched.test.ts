import fc from 'fast-check';
import { expect, it } from 'vitest';

import type { Instance } from './instance.ts';
import { fixedSnapshot } from './snapshot.ts';
import { unmatchedInstances } from './unmatched.ts';

function instance(port: number): Instance {
  return fixedSnapshot('api', [{ address: '10.0.0.1', port }]).instances[0]!;
}

const keys = (instances: readonly Instance[]): readonly string[] => instances.map(({ key }) => key);

it('tells what is gone, new, and the same key in another object; in any order of the lists', () => {
  const ports = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });
  const flags = fc.array(fc.boolean(), { minLength: 31, maxLength: 31 });
  fc.assert(
    fc.property(ports, ports, flags, fc.boolean(), (first, second, isCopied, isSorted) => {
      const pool = Array.from({ length: 31 }, (_, port) => instance(port));
      const order = (list: readonly Instance[]): readonly Instance[] =>
        isSorted ? [...list].sort((a, b) => (a.key < b.key ? -1 : 1)) : list;
      const before = order(first.map((port) => pool[port]!));
      const after = order(second.map((port) => (isCopied[port]! ? { ...pool[port]! } : pool[port]!)));
      const result = unmatchedInstances(before, after);
      expect(keys(result.removed)).toEqual(keys(before).filter((key) => !keys(after).includes(key)));
      expect(keys(result.added)).toEqual(keys(after).filter((key) => !keys(before).includes(key)));
      const renewed = after.filter((one) => keys(before).includes(one.key) && !before.includes(one));
      expect(new Set(result.renewed.map((pair) => pair.after))).toEqual(new Set(renewed));
      for (const pair of result.renewed) {
        expect(pair.before.key).toBe(pair.after.key);
        expect(before).toContain(pair.before);
      }
    }),
  );
});
