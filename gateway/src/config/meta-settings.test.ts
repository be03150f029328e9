import { fixedSnapshot, type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readMetaSettings } from './meta-settings.ts';

function snapshotOf(...instances: readonly Partial<Instance>[]): Snapshot {
  const base = fixedSnapshot(
    'api',
    instances.map((_, index) => ({ address: '10.0.0.1', port: 1000 + index })),
  );
  return {
    ...base,
    instances: base.instances.map((instance, index) => ({ ...instance, ...instances[index] })),
  };
}

const readMeta = (meta: Readonly<Record<string, string>>, tags: readonly string[] = []) =>
  readMetaSettings(snapshotOf({ meta, tags }))!;

describe('readMetaSettings', () => {
  it.each<[Record<string, string>, object]>([
    [{ balance: 'least-requests' }, { balance: 'least-requests' }],
    [{ balance: ' power-of-two ' }, { balance: 'power-of-two' }],
    [{ hash: 'header:X-User' }, { hash: { kind: 'header', name: 'x-user' } }],
    [{ hash: 'path' }, { hash: { kind: 'path' } }],
    [{ sticky: 'cookie' }, { sticky: 'cookie' }],
    [{ 'slow-start-ms': '10000' }, { slowStartMs: 10_000 }],
    [{ 'max-requests': '0' }, { maxRequests: 0 }],
    [{ 'max-retries': '7' }, { maxRetries: 7 }],
    [{ 'panic-ratio': '0.25' }, { panicRatio: 0.25 }],
    [{ 'panic-ratio': '0' }, { panicRatio: 0 }],
    [{ check: 'tcp' }, { checks: { kind: 'tcp' } }],
    [{ check: 'http:/health?full=1' }, { checks: { kind: 'http', path: '/health?full=1' } }],
    [{ 'queue-limit': '5', 'queue-timeout-ms': '50' }, { queue: { limit: 5, timeoutMs: 50 } }],
  ])('understands %j', (meta, overrides) => {
    const { invalid, overrides: read } = readMeta(meta);
    expect(invalid).toEqual([]);
    expect(read).toMatchObject(overrides);
  });

  it.each([
    { balance: 'fastest' },
    { balance: '' },
    { hash: 'cookie:' },
    { hash: 'ip' },
    { sticky: 'yes' },
    { 'slow-start-ms': '10s' },
    { 'slow-start-ms': '-1' },
    { 'slow-start-ms': '2147483648' },
    { 'max-requests': '1e3' },
    { 'max-requests': '1000001' },
    { 'panic-ratio': '50%' },
    { 'panic-ratio': '1.5' },
    { check: 'http' },
    { check: 'http:health' },
    { check: 'http:/a b' },
    { check: 'http:/a\r\nX: y' },
    { 'queue-limit': 'Infinity' },
  ])('leaves out and reports %j', (meta) => {
    const { invalid, overrides } = readMeta(meta);
    expect(invalid).toHaveLength(1);
    const [setting] = invalid;
    expect(setting?.setting).toBe(Object.entries(meta)[0]!.join('='));
    expect(setting?.allowed).not.toBe('');
    expect(overrides).toEqual({});
  });

  it('passes over everything that is no setting', () => {
    expect(readMeta({ version: '2', weight: '3', toString: 'x', backup: 'true' }, ['v1'])).toEqual({
      overrides: {},
      invalid: [],
    });
  });

  it('reads the strategy from a tag too, and prefers the meta', () => {
    expect(readMeta({}, ['v1', 'balance=random']).overrides).toMatchObject({ balance: 'random' });
    expect(readMeta({ balance: 'round-robin' }, ['balance=random']).overrides).toMatchObject({
      balance: 'round-robin',
    });
    expect(readMeta({}, ['balance=magic']).invalid).toMatchObject([{ setting: 'balance=magic' }]);
  });

  it('follows the newest registration', () => {
    const old = { createIndex: 5, meta: { balance: 'random', sticky: 'cookie' } };
    const fresh = { createIndex: 9, meta: { balance: 'least-requests' } };
    for (const order of [snapshotOf(old, fresh), snapshotOf(fresh, old)]) {
      const { overrides } = readMetaSettings(order)!;
      expect(overrides.balance).toBe('least-requests');
      expect(overrides.sticky).toBeUndefined();
    }
  });

  it('has nothing to say for a service without instances', () => {
    expect(readMetaSettings(snapshotOf())).toBeUndefined();
  });

  it('never throws, whatever the meta says', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('balance', 'hash', 'check', 'panic-ratio'), fc.string()),
        (meta) => {
          const { overrides, invalid } = readMeta(meta);
          expect(invalid.length).toBeLessThanOrEqual(Object.keys(meta).length);
          expect(JSON.parse(JSON.stringify(overrides))).toBeTypeOf('object');
        },
      ),
    );
  });
});
