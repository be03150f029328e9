import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { instance } from '../../../test/kit/builders.ts';
import { acquire, policy, setUp, update, take, takeMany } from './testing/samples.ts';
import { createUpstream } from './upstream.ts';

describe('createUpstream', () => {
  it('gives ten requests over two instances five each', () => {
    const { upstream } = setUp([instance('a'), instance('b')]);
    const ids = takeMany(upstream, 10);
    expect(ids.filter((id) => id === 'a')).toHaveLength(5);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('keeps the turn when members come and go', () => {
    const [a, b, c] = [instance('a'), instance('b'), instance('c')];
    const { upstream } = setUp([a, b, c]);
    expect(takeMany(upstream, 2)).toEqual(['a', 'b']);
    update(upstream, a, b, instance('bb'), c);
    expect(take(upstream)).toBe('c');
    update(upstream, b, instance('bb'), c);
    expect(take(upstream)).toBe('b');
  });

  it('stays fair through any sequence of membership changes', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    fc.assert(
      fc.property(fc.array(fc.subarray(ids, { minLength: 1 }), { minLength: 1, maxLength: 8 }), (lists) => {
        const { upstream } = setUp([]);
        for (const list of lists) {
          update(upstream, ...list.map((id) => instance(id)));
          const counts = new Map<string | undefined, number>();
          for (const id of takeMany(upstream, list.length * 4)) counts.set(id, (counts.get(id) ?? 0) + 1);
          expect([...counts.keys()].sort()).toEqual([...list].sort());
          expect(new Set(counts.values())).toEqual(new Set([4]));
        }
      }),
    );
  });

  it('gives weights their share', () => {
    const { upstream } = setUp([instance('a', { weight: 3 }), instance('b', { weight: 1 })]);
    expect(takeMany(upstream, 40).filter((id) => id === 'a')).toHaveLength(30);
  });

  it('never picks critical, draining or vanished instances', () => {
    const { upstream } = setUp([
      instance('a', { status: 'critical' }),
      instance('b', { status: 'draining' }),
      instance('c'),
    ]);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['c']));
    update(upstream, instance('a', { status: 'critical' }));
    expect(take(upstream)).toBeUndefined();
  });

  it('serves a tagged route only by instances with that tag', () => {
    const { upstream } = setUp([
      instance('old', { tags: ['urlprefix-/v1'] }),
      instance('new', { tags: ['urlprefix-/v2'] }),
    ]);
    expect(take(upstream, { tag: 'urlprefix-/v2', tried: [] })).toBe('new');
    expect(take(upstream, { tag: 'urlprefix-/v3', tried: [] })).toBeUndefined();
    update(upstream, instance('newer', { tags: ['urlprefix-/v3'] }));
    expect(take(upstream, { tag: 'urlprefix-/v3', tried: [] })).toBe('newer');
  });

  it('keeps an endpoint and its counts across snapshots while id, address and port stay', () => {
    const { upstream } = setUp([instance('a')]);
    const lease = acquire(upstream);
    update(upstream, instance('a', { tags: ['new'] }));
    expect(upstream.endpoints).toHaveLength(1);
    expect(upstream.endpoints[0]).toMatchObject({ inFlight: 1, total: 1, instance: { tags: ['new'] } });
    lease?.release();
    lease?.release();
    expect(upstream.endpoints[0]).toMatchObject({ inFlight: 0, total: 1 });
  });

  it('makes a new endpoint of the same id on another port and drains the old one until it is idle', () => {
    const { upstream } = setUp([instance('a', { port: 1000 })]);
    const lease = acquire(upstream);
    update(upstream, instance('a', { port: 2000 }));
    expect(upstream.endpoints.map((e) => [e.instance.port, e.phase, e.inFlight])).toEqual([
      [2000, 'serving', 0],
      [1000, 'draining', 1],
    ]);
    lease?.release();
    expect(upstream.endpoints.map((e) => e.instance.port)).toEqual([2000]);
  });

  it('passes over what was tried, and over an ejected endpoint until its time is up', () => {
    const { upstream, clock } = setUp([instance('a'), instance('b')]);
    const lease = acquire(upstream);
    expect(lease?.endpoint.instance.id).toBe('a');
    lease?.report('connect_failed');
    lease?.release();
    expect(
      take(upstream, { tag: undefined, tried: upstream.endpoints.filter((e) => e.instance.id === 'a') }),
    ).toBe('b');
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['b']));
    clock.nowMs = 1000;
    const probe = [acquire(upstream), acquire(upstream)].find((l) => l?.endpoint.instance.id === 'a');
    expect(probe?.endpoint.health.state).toBe('probation');
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['b']));
    probe?.report('success');
    probe?.release();
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['a', 'b']));
  });

  it('tries the ejected when nobody else is left', () => {
    const { upstream } = setUp([instance('a')]);
    const lease = acquire(upstream);
    lease?.report('connect_failed');
    lease?.release();
    expect(upstream.endpoints[0]?.health.state).toBe('ejected');
    expect(take(upstream)).toBe('a');
  });

  it('ejects at most half of the endpoints at a time', () => {
    const { upstream } = setUp([instance('a'), instance('b'), instance('c'), instance('d')]);
    for (let i = 0; i < 8; i += 1) {
      const lease = acquire(upstream);
      lease?.report('connect_failed');
      lease?.release();
    }
    expect(upstream.endpoints.filter((e) => e.health.state === 'ejected')).toHaveLength(2);
  });

  it('forgives an ejected endpoint that registers anew or passes its checks again', () => {
    const { upstream } = setUp([instance('a'), instance('b')]);
    const lease = acquire(upstream);
    lease?.report('connect_failed');
    lease?.release();
    update(upstream, instance('a', { createIndex: 9 }), instance('b'));
    expect(upstream.endpoints.every((e) => e.health.state === 'healthy')).toBe(true);
  });

  it('starts at a random place', () => {
    const upstream = createUpstream('api', {
      policy,
      now: () => 0,
      random: () => 0.99,
    });
    update(upstream, instance('a'), instance('b'), instance('c'));
    expect(take(upstream)).toBe('c');
  });
});
