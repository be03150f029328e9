import { describe, expect, it } from 'vitest';

import { fixedSnapshot, sameCatalog, snapshotFromAnswer } from './snapshot.ts';

const context = { service: 'api', cluster: 'default' };

describe('snapshotFromAnswer', () => {
  it('carries the index as it came, and "0" where there was none', () => {
    const answer = {
      body: [],
      index: undefined,
      knownLeader: undefined,
      lastContactMs: undefined,
      filteredByAcl: false,
    };
    expect(snapshotFromAnswer(answer, context).index).toBe('0');
    const large = { ...answer, index: '9007199254740993' };
    expect(snapshotFromAnswer(large, context).index).toBe('9007199254740993');
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
