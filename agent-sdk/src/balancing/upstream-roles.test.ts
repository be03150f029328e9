import { describe, expect, it } from 'vitest';

import { endpointKey } from './endpoint-state.ts';
import { instance } from '../../../test/kit/builders.ts';
import { acquire, all, randomFrom, refuse, setUp, update, take, takeMany } from './testing/samples.ts';
import type { Upstream } from './upstream.ts';

const critical = { status: 'critical' } as const;

describe('backups', () => {
  const [a, b] = [instance('a'), instance('b')];
  const spare = instance('spare', { tags: ['backup'] });

  it('serve only when no primary can', () => {
    const { upstream } = setUp([a, b, spare]);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
    const primaries = upstream.endpoints.filter(({ instance: { id } }) => id !== 'spare');
    expect(take(upstream, { tag: undefined, tried: primaries })).toBe('spare');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
    for (const { id } of [a, b]) upstream.checked(endpointKey(instance(id)), 'down');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['spare']));
    upstream.checked(endpointKey(b), 'unchecked');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['b']));
  });

  it('are told by tag or meta, and may become primaries', () => {
    const { upstream } = setUp([a, instance('spare', { meta: { backup: 'true' } })]);
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['a']));
    update(upstream, a, instance('spare'));
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['a', 'spare']));
  });

  it('come before primaries that we ejected, and these before ejected backups', () => {
    const { upstream } = setUp([a, spare], {
      ejection: { consecutiveFailures: 1, baseMs: 1000, maxMs: 1000, maxRatio: 1 },
    });
    refuse(upstream, 'a');
    expect(take(upstream)).toBe('spare');
    refuse(upstream, 'spare');
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['a']));
    expect(take(upstream, { tag: undefined, tried: upstream.endpoints.slice(0, 1) })).toBe('spare');
  });

  it('stand in for all primaries: these may all be ejected, however few may be without backups', () => {
    const primaries = ['a', 'b', 'c', 'd', 'e', 'f'];
    const ejected = (upstream: Upstream): number => {
      for (const id of primaries) refuse(upstream, id);
      return upstream.endpoints.filter(({ health }) => health.state === 'ejected').length;
    };
    const { upstream } = setUp([...primaries.map((id) => instance(id)), spare]);
    expect(ejected(upstream)).toBe(6);
    // Nobody has to find out anew that the primaries are dead.
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['spare']));
    expect(ejected(setUp(primaries.map((id) => instance(id))).upstream)).toBe(3);
    const { upstream: unsaved } = setUp([...primaries.map((id) => instance(id)), { ...spare, ...critical }]);
    expect(ejected(unsaved)).toBe(3);
  });

  it('keep no sticky session while a primary can serve', () => {
    const { upstream } = setUp([a, spare]);
    expect(take(upstream, { ...all, sticky: spare.key })).toBe('a');
  });
});

describe('sticky sessions', () => {
  it('stay with their instance while it is admissible, and fall through when it is not', () => {
    const [a, b, c] = [instance('a', { status: 'warning' }), instance('b'), instance('c')];
    const { upstream } = setUp([a, b, c], { maxConnections: 1 });
    const sticky = { ...all, sticky: a.key };
    expect(takeMany(upstream, 4, sticky)).toEqual(['a', 'a', 'a', 'a']);
    expect(take(upstream, { ...sticky, tried: upstream.endpoints.slice(0, 1) })).not.toBe('a');
    const lease = acquire(upstream, sticky);
    expect(takeMany(upstream, 3, sticky)).not.toContain('a');
    lease?.release();
    for (const status of ['draining', 'critical'] as const) {
      update(upstream, { ...a, status }, b, c);
      expect(takeMany(upstream, 3, sticky)).not.toContain('a');
    }
    update(upstream, a, b, c);
    expect(take(upstream, sticky)).toBe('a');
    refuse(upstream, 'a');
    expect(takeMany(upstream, 3, sticky)).not.toContain('a');
    expect(take(upstream, { ...all, sticky: 'c/n/gone' })).toBeDefined();
  });

  it('do not leave the instances of their route', () => {
    const { upstream } = setUp([instance('a', { tags: ['x'] }), instance('b', { tags: ['y'] })]);
    expect(take(upstream, { tag: 'y', tried: [], sticky: 'c/n/a' })).toBe('b');
  });
});

describe('the panic rule', () => {
  const ids = ['a', 'b', 'c', 'd'];
  const list = (criticals: number, more = {}) =>
    ids.map((id, k) => instance(id, k < criticals ? { ...critical, ...more } : {}));

  it('uses critical instances again when the registry condemns most of three or more', () => {
    const { upstream } = setUp([]);
    update(upstream, ...list(2));
    expect([upstream.panic, new Set(takeMany(upstream, 8))]).toEqual([false, new Set(['c', 'd'])]);
    update(upstream, ...list(3));
    expect([upstream.panic, new Set(takeMany(upstream, 8))]).toEqual([true, new Set(ids)]);
    update(upstream, ...list(4));
    expect([upstream.panic, new Set(takeMany(upstream, 8))]).toEqual([true, new Set(ids)]);
    update(upstream, ...list(0));
    expect(upstream.panic).toBe(false);
  });

  it('believes the registry about one of two, and about who drains', () => {
    const { upstream } = setUp([instance('a', critical), instance('b', critical)]);
    expect([upstream.panic, upstream.acquire(all)]).toEqual([false, 'none']);
    update(upstream, ...list(4, { status: 'draining' }));
    expect([upstream.panic, upstream.acquire(all)]).toEqual([false, 'none']);
  });

  it('can be turned off, at run time too', () => {
    const { upstream } = setUp([], { panicRatio: 0 });
    update(upstream, ...list(4));
    expect([upstream.panic, upstream.acquire(all)]).toEqual([false, 'none']);
    upstream.setPolicy({ ...upstream.policy, panicRatio: 0.5 });
    expect([upstream.panic, new Set(takeMany(upstream, 8))]).toEqual([true, new Set(ids)]);
  });

  it('ejects critical ones that fail us without regard to how many are out', () => {
    const { upstream } = setUp([]);
    update(upstream, ...list(3));
    for (const id of ['a', 'b', 'c']) refuse(upstream, id);
    expect(new Set(takeMany(upstream, 8))).toEqual(new Set(['d']));
    refuse(upstream, 'd');
    expect(upstream.endpoints.filter(({ health }) => health.state === 'ejected')).toHaveLength(4);
  });
});

describe('slow start', () => {
  const share = (ids: readonly (string | undefined)[], id: string) =>
    ids.filter((each) => each === id).length / ids.length;
  const slow = { slowStartMs: 10_000 };
  const [a, b, c] = [instance('a'), instance('b'), instance('c')];

  it('gives who joins a tenth of its turns at first, then more and more', () => {
    const { upstream, clock } = setUp([a, b], slow, randomFrom(3));
    update(upstream, a, b, c);
    expect(share(takeMany(upstream, 3_000), 'c')).toBeLessThan(0.06);
    clock.nowMs = 5_000;
    expect(share(takeMany(upstream, 3_000), 'c')).toBeCloseTo(0.2, 1);
    clock.nowMs = 10_000;
    expect(share(takeMany(upstream, 3_000), 'c')).toBeCloseTo(1 / 3, 5);
  });

  it('works under every strategy, and leaves no request without an endpoint', () => {
    for (const balance of ['least-requests', 'power-of-two', 'random', 'consistent-hash'] as const) {
      const random = randomFrom(5);
      const { upstream } = setUp([a, b], { ...slow, balance }, random);
      update(upstream, a, b, c);
      const ids = Array.from({ length: 2_000 }, () =>
        take(upstream, { ...all, hash: Math.floor(random() * 2 ** 32) }),
      );
      expect([balance, share(ids, 'c') < 0.15, ids.includes('c'), ids.includes(undefined)]).toEqual([
        balance,
        true,
        true,
        false,
      ]);
      const others = upstream.endpoints.filter(({ instance: { id } }) => id !== 'c');
      expect(new Set(takeMany(upstream, 50, { ...all, tried: others }))).toEqual(new Set(['c']));
    }
  });

  it('is not for those that were there first, or came into an empty list, or all came together', () => {
    const { upstream } = setUp([a, b, c], slow);
    expect(takeMany(upstream, 3).sort()).toEqual(['a', 'b', 'c']);
    update(upstream);
    update(upstream, a, b);
    expect(takeMany(upstream, 2).sort()).toEqual(['a', 'b']);
    update(upstream, instance('x'), instance('y'));
    expect(takeMany(upstream, 4).sort()).toEqual(['x', 'x', 'y', 'y']);
  });

  it('is for who was critical or drained, and not for who was ejected', () => {
    for (const status of ['critical', 'draining'] as const) {
      const { upstream } = setUp([a, b, { ...c, status }], slow, randomFrom(9));
      update(upstream, a, b, c);
      expect(share(takeMany(upstream, 1_000), 'c')).toBeLessThan(0.07);
    }
    const { upstream, clock } = setUp([a, b, c], slow, randomFrom(9));
    refuse(upstream, 'c');
    clock.nowMs = 1_000;
    const probe = acquire(upstream, { ...all, tried: upstream.endpoints.slice(0, 2) });
    probe?.report('success');
    probe?.release();
    expect(share(takeMany(upstream, 30), 'c')).toBeCloseTo(1 / 3, 5);
  });
});
