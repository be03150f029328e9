import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { healthRecord, type HealthRecordOptions } from '../../../test/kit/health-record.ts';
import type { Instance, Snapshot } from './instance.ts';
import { fixedSnapshot, snapshotFromAnswer } from './snapshot.ts';
import { compareSnapshots, isUnchanged } from './snapshot-change.ts';

function snapshot(records: readonly unknown[], index: string | undefined = '7'): Snapshot {
  const answer = { body: records, index, knownLeader: true, lastContactMs: 0, filteredByAcl: false };
  return snapshotFromAnswer(answer, { service: 'api', cluster: 'default' });
}

const keys = (instances: readonly Instance[]): readonly string[] => instances.map(({ key }) => key);

describe('compareSnapshots', () => {
  it('adds everything at first', () => {
    const first = snapshot([healthRecord('a')]);
    const change = compareSnapshots(undefined, first);
    expect(change.after).toBe(first);
    expect(change.added.map(({ id }) => id)).toEqual(['a']);
  });

  it('says what was added, removed and updated', () => {
    const before = snapshot([healthRecord('a'), healthRecord('b'), healthRecord('c')]);
    const after = snapshot([healthRecord('b', { status: 'warning' }), healthRecord('c'), healthRecord('d')]);
    const change = compareSnapshots(before, after);
    expect(change.added.map(({ id }) => id)).toEqual(['d']);
    expect(change.removed.map(({ id }) => id)).toEqual(['a']);
    expect(change.updated.map((update) => [update.before.status, update.after.status])).toEqual([
      ['passing', 'warning'],
    ]);
  });

  it('is right for any two lists, with shared objects, with copies, and across structured clone', () => {
    const ports = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });
    const kinds = fc.array(fc.constantFrom('same', 'copied', 'changed'), { minLength: 31, maxLength: 31 });
    const made = (list: readonly number[], make: (port: number) => Instance): Snapshot => ({
      ...fixedSnapshot('api', []),
      instances: list.map(make).sort((a, b) => (a.key < b.key ? -1 : 1)),
    });
    fc.assert(
      fc.property(ports, ports, kinds, (first, second, kindOf) => {
        const pool = Array.from(
          { length: 31 },
          (_, port) => fixedSnapshot('api', [{ address: '10.0.0.1', port }]).instances[0]!,
        );
        const before = made(first, (port) => pool[port]!);
        const after = made(second, (port) => {
          const known = pool[port]!;
          if (kindOf[port] === 'same') return known;
          return kindOf[port] === 'copied' ? { ...known } : { ...known, weight: 9 };
        });
        const change = compareSnapshots(before, after);
        const [old, now] = [keys(before.instances), keys(after.instances)];
        expect(keys(change.removed)).toEqual(old.filter((key) => !now.includes(key)));
        expect(keys(change.added)).toEqual(now.filter((key) => !old.includes(key)));
        const differs = ({ key, weight }: Instance): boolean => old.includes(key) && weight === 9;
        expect(change.updated.map((update) => update.after)).toEqual(after.instances.filter(differs));
        for (const update of change.updated) expect(before.instances).toContain(update.before);
        expect(change.after).toEqual(after);
        // What stays is the same object, so that the next comparison is quick.
        for (const instance of change.after.instances)
          if (old.includes(instance.key) && instance.weight !== 9) expect(pool).toContain(instance);
        expect(compareSnapshots(structuredClone(before), structuredClone(after))).toEqual(change);
      }),
    );
  });

  it('compares 10,000 instances in a few milliseconds', () => {
    const records = Array.from({ length: 10_000 }, (_, i) =>
      healthRecord(`id-${i}`, { meta: { version: '1' } }),
    );
    const [a, b] = [snapshot(records), snapshot(records)];
    const startedMs = performance.now();
    expect(isUnchanged(compareSnapshots(a, b))).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});

describe('isUnchanged', () => {
  const unchanged = (a: Snapshot, b: Snapshot): boolean => isUnchanged(compareSnapshots(a, b));

  it('ignores the index and the order in which records came', () => {
    const a = snapshot([healthRecord('a'), healthRecord('b')], '7');
    expect(unchanged(a, snapshot([healthRecord('b'), healthRecord('a')], '8'))).toBe(true);
  });

  it.each<HealthRecordOptions>([
    { port: 4001 },
    { address: '10.0.0.5' },
    { status: 'critical' },
    { tags: ['api', 'x'] },
    { tags: ['web'] },
    { meta: { weight: '2' } },
    { meta: { version: '2' } },
    { createIndex: 8 },
    { node: 'n2' },
  ])('sees the change %j', (options) => {
    expect(unchanged(snapshot([healthRecord('a')]), snapshot([healthRecord('a', options)]))).toBe(false);
  });

  it('sees the first snapshot, instances come and go, records quarantined, and a hold that ends', () => {
    const a = snapshot([healthRecord('a')]);
    expect(isUnchanged(compareSnapshots(undefined, snapshot([])))).toBe(false);
    expect(unchanged(a, snapshot([healthRecord('a'), healthRecord('b')]))).toBe(false);
    expect(unchanged(a, snapshot([]))).toBe(false);
    expect(unchanged(a, snapshot([healthRecord('a'), healthRecord('b', { port: 0 })]))).toBe(false);
    expect(unchanged(a, { ...a, held: ['c/n1/a'] })).toBe(false);
  });
});
