import { describe, expect, it } from 'vitest';

import type { Snapshot } from './instance.ts';
import {
  diffSnapshots,
  fixedSnapshot,
  reuseInstances,
  sameCatalog,
  sameInstances,
  sameSnapshot,
  snapshotFromAnswer,
} from './snapshot.ts';
import { healthRecord, type HealthRecordOptions } from '../../../test/kit/health-record.ts';

const context = { service: 'api', cluster: 'default' };

function snapshot(records: readonly unknown[], index: string | undefined = '7'): Snapshot {
  const answer = { body: records, index, knownLeader: true, lastContactMs: 0, filteredByAcl: false };
  return snapshotFromAnswer(answer, context);
}

describe('snapshotFromAnswer', () => {
  it('carries the index as it came, and "0" where there was none', () => {
    expect(snapshot([], '9007199254740993').index).toBe('9007199254740993');
    const answer = {
      body: [],
      index: undefined,
      knownLeader: undefined,
      lastContactMs: undefined,
      filteredByAcl: false,
    };
    expect(snapshotFromAnswer(answer, context).index).toBe('0');
  });
});

describe('sameSnapshot', () => {
  it('ignores the index and the order in which records came', () => {
    const a = snapshot([healthRecord('a'), healthRecord('b')], '7');
    expect(sameSnapshot(a, snapshot([healthRecord('b'), healthRecord('a')], '8'))).toBe(true);
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
    expect(
      sameInstances(
        snapshot([healthRecord('a')]).instances,
        snapshot([healthRecord('a', options)]).instances,
      ),
    ).toBe(false);
  });

  it('sees instances come and go, records quarantined, and a hold that ends', () => {
    const a = snapshot([healthRecord('a')]);
    expect(sameSnapshot(a, snapshot([healthRecord('a'), healthRecord('b')]))).toBe(false);
    expect(sameSnapshot(a, snapshot([]))).toBe(false);
    expect(sameSnapshot(a, snapshot([healthRecord('a'), healthRecord('b', { port: 0 })]))).toBe(false);
    expect(sameSnapshot(a, { ...a, held: ['c/n1/a'] })).toBe(false);
  });

  it('can be remade from the instances of an earlier one, so that only what changed is new', () => {
    const before = snapshot(['a', 'b', 'c', 'e'].map((id) => healthRecord(id)));
    const after = snapshot([
      healthRecord('a'),
      healthRecord('b', { port: 1 }),
      healthRecord('d'),
      healthRecord('e'),
    ]);
    const reused = reuseInstances(before, after);
    expect(reused).toEqual(after);
    expect(reused.instances.map((instance) => before.instances.includes(instance))).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(reuseInstances(undefined, after)).toBe(after);
  });

  it('compares 10,000 instances in a few milliseconds', () => {
    const records = Array.from({ length: 10_000 }, (_, i) =>
      healthRecord(`id-${i}`, { meta: { version: '1' } }),
    );
    const [a, b] = [snapshot(records), snapshot(records)];
    const startedMs = performance.now();
    expect(sameSnapshot(a, b)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});

describe('sameCatalog', () => {
  const catalog = (services: Record<string, string[]>): Parameters<typeof sameCatalog>[0] => ({
    index: '1',
    services,
  });

  it('compares names and tags', () => {
    expect(sameCatalog(catalog({ a: ['x'] }), { ...catalog({ a: ['x'] }), index: '2' })).toBe(true);
    expect(sameCatalog(catalog({ a: ['x'] }), catalog({ a: ['y'] }))).toBe(false);
    expect(sameCatalog(catalog({ a: [] }), catalog({ b: [] }))).toBe(false);
    expect(sameCatalog(catalog({ toString: [] }), catalog({ a: [] }))).toBe(false);
    expect(sameCatalog(catalog({}), catalog({ a: [] }))).toBe(false);
  });
});

describe('diffSnapshots', () => {
  it('adds everything at first', () => {
    expect(diffSnapshots(undefined, snapshot([healthRecord('a')])).added.map(({ id }) => id)).toEqual(['a']);
  });

  it('tells what was added, removed and changed', () => {
    const before = snapshot([healthRecord('a'), healthRecord('b'), healthRecord('c')]);
    const after = snapshot([healthRecord('b', { status: 'warning' }), healthRecord('c'), healthRecord('d')]);
    const diff = diffSnapshots(before, after);
    expect(diff.added.map(({ id }) => id)).toEqual(['d']);
    expect(diff.removed.map(({ id }) => id)).toEqual(['a']);
    expect(diff.changed.map((change) => [change.before.status, change.after.status])).toEqual([
      ['passing', 'warning'],
    ]);
  });
});

describe('fixedSnapshot', () => {
  it('lists the given addresses as passing instances, each once', () => {
    const fixed = fixedSnapshot('legacy', [
      { address: '10.0.0.5', port: 9001 },
      { address: '::1', port: 9001 },
      { address: '10.0.0.5', port: 9001 },
    ]);
    expect(fixed.index).toBe('0');
    expect(fixed.held).toEqual([]);
    expect(fixed.instances.map(({ id }) => id)).toEqual(['10.0.0.5:9001', '[::1]:9001']);
    expect(fixed.instances.every(({ status, weight }) => status === 'passing' && weight === 1)).toBe(true);
  });
});
