import type { Instance, Snapshot } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { endpointChanges } from './endpoint-changes.ts';
import { record } from './testing/fake-instance.ts';

const snapshot = (...instances: Instance[]): Snapshot => ({
  service: 'api',
  index: '1',
  instances,
  quarantined: [],
  held: [],
});

const a = record(1, { id: 'a' });
const b = record(2, { id: 'b' });

describe('endpointChanges', () => {
  it('begins with everything and ends with nothing', () => {
    expect(endpointChanges(undefined, snapshot(a, b))).toEqual({ appeared: [a, b], gone: [], renewed: [] });
    expect(endpointChanges(snapshot(a, b), undefined)).toEqual({ appeared: [], gone: [a, b], renewed: [] });
    expect(endpointChanges(undefined, undefined)).toEqual({ appeared: [], gone: [], renewed: [] });
  });

  it('tells newcomers, leavers and newer records apart', () => {
    const tagged = { ...a, tags: ['x'] };
    expect(endpointChanges(snapshot(a), snapshot(tagged, b))).toEqual({
      appeared: [b],
      gone: [],
      renewed: [tagged],
    });
    expect(endpointChanges(snapshot(a, b), snapshot(a))).toEqual({ appeared: [], gone: [b], renewed: [] });
  });

  it.each<[string, Partial<Instance>]>([
    ['another port', { port: 9 }],
    ['another address', { address: '127.0.0.2' }],
    ['another registration', { createIndex: 2 }],
  ])('takes %s for another endpoint', (_name, change) => {
    const after = { ...a, ...change };
    expect(endpointChanges(snapshot(a), snapshot(after))).toEqual({
      appeared: [after],
      gone: [a],
      renewed: [],
    });
  });

  it('counts those that drain as gone', () => {
    const draining: Instance = { ...a, status: 'draining' };
    expect(endpointChanges(undefined, snapshot(draining)).appeared).toEqual([]);
    expect(endpointChanges(snapshot(a), snapshot(draining))).toEqual({
      appeared: [],
      gone: [a],
      renewed: [],
    });
    expect(endpointChanges(snapshot(draining), snapshot())).toEqual({ appeared: [], gone: [], renewed: [] });
    expect(endpointChanges(snapshot(draining), snapshot(a)).appeared).toEqual([a]);
  });
});
