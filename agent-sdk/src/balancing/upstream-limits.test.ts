import { describe, expect, it } from 'vitest';

import type { Lease, LeaseRequest } from './endpoint.ts';
import { endpointKey } from './endpoint-state.ts';
import { instance } from '../../../test/kit/builders.ts';
import { acquire, all, refuse, setUp, update, take } from './testing/samples.ts';
import type { Upstream } from './upstream.ts';

/** Puts a request in the queue; the name of the instance that it gets is added to `granted`. */
function wait(
  upstream: Upstream,
  granted: string[],
  { name = '', request = all }: { readonly name?: string; readonly request?: LeaseRequest } = {},
) {
  const leases: Lease[] = [];
  const ticket = upstream.enqueue(request, (lease) => {
    granted.push(name + lease.endpoint.instance.id);
    leases.push(lease);
  });
  return { ticket, leases };
}

const queue = { limit: 3, timeoutMs: 1000 };

describe('limits', () => {
  it('gives an instance no more leases than it may have, by policy or by its own word', () => {
    const { upstream } = setUp(
      [
        instance('a'),
        instance('b', { meta: { 'max-connections': '1' } }),
        instance('c', { meta: { 'max-connections': '9' } }),
      ],
      { maxConnections: 2 },
    );
    const leases = Array.from({ length: 5 }, () => acquire(upstream)?.endpoint.instance.id);
    expect(leases.sort()).toEqual(['a', 'a', 'b', 'c', 'c']);
    expect(upstream.acquire(all)).toBe('busy');
  });

  it('takes no nonsense for a limit', () => {
    for (const text of ['', '0', '-3', 'many', '1.5']) {
      const { upstream } = setUp([instance('a', { meta: { 'max-connections': text } })]);
      expect([acquire(upstream), acquire(upstream)]).not.toContain(undefined);
    }
  });

  it('sheds what goes beyond the limit of the whole upstream', () => {
    const { upstream } = setUp([instance('a'), instance('b')], { maxRequests: 2 });
    const lease = acquire(upstream);
    acquire(upstream);
    expect(upstream.acquire(all)).toBe('shed');
    lease?.release();
    expect(take(upstream)).toBeDefined();
  });

  it('says busy while primaries are, and does not fall back on backups or ejected ones', () => {
    const { upstream } = setUp([instance('a'), instance('b'), instance('spare', { tags: ['backup'] })], {
      maxConnections: 1,
    });
    refuse(upstream, 'b');
    expect(acquire(upstream)?.endpoint.instance.id).toBe('a');
    expect(upstream.acquire(all)).toBe('busy');
  });
});

describe('the queue', () => {
  it('serves first come, first served, one for each lease that ends', () => {
    const { upstream } = setUp([instance('a')], { maxConnections: 1, queue });
    const lease = acquire(upstream);
    const granted: string[] = [];
    const first = wait(upstream, granted, { name: '1' });
    const second = wait(upstream, granted, { name: '2' });
    expect([granted, upstream.queued]).toEqual([[], 2]);
    lease?.release();
    expect([granted, upstream.queued]).toEqual([['1a'], 1]);
    expect(upstream.acquire(all)).toBe('busy');
    first.leases[0]?.release();
    expect(granted).toEqual(['1a', '2a']);
    second.leases[0]?.release();
    expect(take(upstream)).toBe('a');
  });

  it('refuses when it is full, and lets a request leave', () => {
    const { upstream } = setUp([instance('a')], { maxConnections: 1, queue });
    const lease = acquire(upstream);
    const granted: string[] = [];
    const waiting = ['1', '2', '3'].map((name) => wait(upstream, granted, { name }));
    expect(wait(upstream, granted).ticket).toBeUndefined();
    waiting[1]?.ticket?.cancel();
    waiting[1]?.ticket?.cancel();
    waiting[0]?.ticket?.cancel();
    expect(upstream.queued).toBe(1);
    lease?.release();
    waiting[2]?.ticket?.cancel();
    expect([granted, upstream.queued]).toEqual([['3a'], 0]);
    waiting[2]?.leases[0]?.release();
    expect(take(upstream)).toBe('a');
  });

  it('is served by a new instance, a higher limit, the end of an ejection, and a check that passes', () => {
    const granted: string[] = [];
    const { upstream, clock } = setUp([instance('a')], { maxConnections: 1, queue: { ...queue, limit: 9 } });
    acquire(upstream);
    wait(upstream, granted);
    wait(upstream, granted);
    update(upstream, instance('a'), instance('b'));
    expect(granted).toEqual(['b']);
    upstream.setPolicy({ ...upstream.policy, maxConnections: 2 });
    expect(granted).toEqual(['b', 'a']);

    update(upstream, instance('a'), instance('b'), instance('c'));
    refuse(upstream, 'c');
    acquire(upstream);
    expect(upstream.acquire(all)).toBe('busy');
    wait(upstream, granted);
    clock.nowMs = 1000;
    expect(upstream.acquire(all)).toBe('busy');
    expect(granted).toEqual(['b', 'a', 'c']);

    update(upstream, instance('a'), instance('b'), instance('c'), instance('d'));
    upstream.checked(endpointKey(instance('d')), 'down');
    wait(upstream, granted);
    expect(granted).toHaveLength(3);
    upstream.checked(endpointKey(instance('d')), 'up');
    expect(granted).toEqual(['b', 'a', 'c', 'd']);
  });

  it('keeps those that wait when all endpoints vanish, for whoever comes', () => {
    const { upstream } = setUp([instance('a')], { maxConnections: 1, queue });
    const granted: string[] = [];
    acquire(upstream);
    wait(upstream, granted);
    update(upstream);
    expect([granted, upstream.queued]).toEqual([[], 1]);
    update(upstream, instance('b'));
    expect(granted).toEqual(['b']);
  });

  it('passes over those in front that can use nothing that is free', () => {
    const { upstream } = setUp([instance('a', { tags: ['x'] }), instance('b', { tags: ['y'] })], {
      maxConnections: 1,
      queue,
    });
    const granted: string[] = [];
    const tagged = (tag: string): LeaseRequest => ({ tag, tried: [] });
    const onB = acquire(upstream, tagged('y'));
    acquire(upstream, tagged('x'));
    wait(upstream, granted, { name: 'x', request: tagged('x') });
    wait(upstream, granted, { name: 'y', request: tagged('y') });
    onB?.release();
    expect(granted).toEqual(['yb']);
    expect(upstream.queued).toBe(1);
  });

  it('does not go deeper with every grant that ends at once, nor lets what comes meanwhile overtake', () => {
    const count = 20_000;
    const { upstream } = setUp([instance('a')], { maxConnections: 1, queue: { limit: count, timeoutMs: 1 } });
    const lease = acquire(upstream);
    const order: number[] = [];
    const refused: unknown[] = [];
    for (let k = 0; k < count; k += 1) {
      upstream.enqueue(all, (granted) => {
        order.push(k);
        granted.release();
        if (k < count - 1) refused.push(upstream.acquire(all));
      });
    }
    lease?.release();
    expect(order).toEqual(Array.from({ length: count }, (_, k) => k));
    expect(new Set(refused)).toEqual(new Set(['busy']));
    expect(take(upstream)).toBe('a');
  });
});
