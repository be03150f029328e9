import { compareSnapshots, fixedSnapshot, type Snapshot } from '@roundhouse/agent-sdk/internal';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { type Hidden, visible, withoutHidden } from './hidden-instances.ts';

const snapshot = (ports: readonly number[], weight = 1): Snapshot => {
  const all = fixedSnapshot(
    'api',
    ports.map((port) => ({ address: '10.0.0.1', port })),
  );
  return { ...all, instances: all.instances.map((instance) => ({ ...instance, weight })) };
};

const hidden = (ports: readonly number[]): Hidden =>
  new Map(
    ports.map((port) => [
      `fixed/config/10.0.0.1:${port}`,
      port % 2 === 0 ? 'let_go' : { refused: 'x', is: 'wanted' as const },
    ]),
  );

it('is the change itself while nothing is hidden', () => {
  const change = compareSnapshots(snapshot([1]), snapshot([1, 2]));
  expect(withoutHidden(change, change.before, { before: hidden([]), after: hidden([]) })).toBe(change);
});

it('shows instances at refused addresses as quarantined, and those that were let go not at all', () => {
  const { instances, quarantined } = visible(snapshot([1, 2, 3]), hidden([1, 2]));
  expect(instances.map(({ port }) => port)).toEqual([3]);
  expect(quarantined).toEqual([{ node: 'config', id: '10.0.0.1:1', reason: 'x' }]);
});

it('says the same as a comparison of the visible snapshots, whatever was and is hidden', () => {
  const ports = fc.subarray([1, 2, 3, 4, 5, 6]);
  fc.assert(
    fc.property(ports, ports, ports, ports, fc.constantFrom(1, 2), (old, now, hid, hides, weight) => {
      const change = compareSnapshots(snapshot(old), snapshot(now, weight));
      const before = visible(snapshot(old), hidden(hid));
      const seen = withoutHidden(change, before, { before: hidden(hid), after: hidden(hides) });
      const expected = compareSnapshots(before, visible(change.after, hidden(hides)));
      expect(seen.before).toEqual(before);
      expect(seen.after).toEqual(expected.after);
      for (const list of ['added', 'removed', 'updated'] as const) {
        expect(seen[list]).toHaveLength(expected[list].length);
        expect(seen[list]).toEqual(expect.arrayContaining([...expected[list]]));
      }
    }),
  );
});
