import { describe, expect, it } from 'vitest';

import type { EndpointReport, HealthChange } from './endpoint.ts';
import { endpointKey } from './endpoint-state.ts';
import { instance } from '../../../test/kit/builders.ts';
import { acquire, all, refuse, setUp, update, take, takeMany } from './testing/samples.ts';
import type { Upstream } from './upstream.ts';

const list = (...ids: readonly string[]) => ids.map((id) => instance(id));
const stateOf = (upstream: Upstream, id: string) =>
  upstream.endpoints.find((endpoint) => endpoint.instance.id === id)?.health.state;
const others = (upstream: Upstream, id: string) =>
  upstream.endpoints.filter((endpoint) => endpoint.instance.id !== id);

/** Requests in turn, each answered as its instance answers. */
function answer(upstream: Upstream, count: number, of: (id: string, k: number) => EndpointReport): void {
  for (let k = 0; k < count; k += 1) {
    const lease = acquire(upstream);
    lease?.report(of(lease.endpoint.instance.id, k), 10);
    lease?.release();
  }
}

describe('what is told of health', () => {
  const short = (news: readonly HealthChange[]) =>
    news.map((one) =>
      one.kind === 'ejected'
        ? `${one.instance.id} out for ${one.lengthMs}: ${one.because}`
        : `${one.instance.id} back`,
    );

  it('is every ejection with its cause, and every recovery, once', () => {
    const { upstream, clock, news } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    refuse(upstream, 'a');
    clock.nowMs = 1000;
    const probe = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    probe?.report('server_error');
    probe?.release();
    clock.nowMs = 3000;
    const second = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    second?.report('success');
    second?.release();
    answer(upstream, 10, () => 'success');
    expect(short(news)).toEqual(['a out for 1000: connect_failed', 'a out for 2000: server_error', 'a back']);
  });

  it('names an outlier as one', () => {
    const { upstream, clock, news } = setUp(list('a', 'b', 'c'));
    for (let second = 1; second <= 3; second += 1) {
      clock.nowMs = second * 1000;
      answer(upstream, 30, (id) => (id === 'b' ? 'server_error' : 'success'));
    }
    expect(short(news)).toEqual(['b out for 1000: outlier']);
  });
});

describe('probation', () => {
  it('lets one request in at a time, until one has said something', () => {
    const { upstream, clock } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    clock.nowMs = 1000;
    const probe = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    expect([probe?.endpoint.instance.id, stateOf(upstream, 'a')]).toEqual(['a', 'probation']);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['b']));
    probe?.release();
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
  });

  it('tries again while an earlier probe, long since answered, still runs', () => {
    const { upstream, clock } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    clock.nowMs = 1000;
    const tunnel = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    tunnel?.report('success');
    refuse(upstream, 'a');
    clock.nowMs = 10_000;
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
    tunnel?.release();
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
  });

  it('ends with an error of any kind, and for longer', () => {
    const { upstream, clock } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    clock.nowMs = 1000;
    const probe = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    probe?.report('server_error');
    probe?.release();
    expect(upstream.endpoints[0]?.health).toEqual({ state: 'ejected', untilMs: 3000, ejections: 2 });
  });

  it('takes no word from attempts of the time before', () => {
    const { upstream } = setUp(list('a', 'b'));
    const early = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    refuse(upstream, 'a');
    early?.report('success');
    expect(stateOf(upstream, 'a')).toBe('ejected');
  });
});

describe('ejection', () => {
  it('takes out at most half, those in probation included', () => {
    const { upstream, clock } = setUp(list('a', 'b', 'c', 'd'));
    for (const id of ['a', 'b', 'c', 'd']) refuse(upstream, id);
    const out = () => upstream.endpoints.filter(({ health }) => health.state !== 'healthy').length;
    expect(out()).toBe(2);
    clock.nowMs = 1000;
    for (const id of ['c', 'd']) refuse(upstream, id);
    expect(out()).toBe(2);
  });

  it('makes room again when an ejected instance leaves', () => {
    const { upstream } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    refuse(upstream, 'b');
    expect(stateOf(upstream, 'b')).toBe('healthy');
    update(upstream, ...list('b', 'c'));
    refuse(upstream, 'b');
    expect(stateOf(upstream, 'b')).toBe('ejected');
  });

  it('does not follow an instance that left with a request and came back', () => {
    const { upstream, clock } = setUp(list('a', 'b'));
    const lease = acquire(upstream, { ...all, tried: others(upstream, 'a') });
    const endpoint = lease?.endpoint;
    lease?.report('connect_failed');
    update(upstream, ...list('b'));
    clock.nowMs = 5000;
    update(upstream, ...list('a', 'b'));
    expect([upstream.endpoints[0] === endpoint, stateOf(upstream, 'a')]).toEqual([true, 'healthy']);
    expect(new Set(takeMany(upstream, 4))).toEqual(new Set(['a', 'b']));
    lease?.release();
    expect(upstream.endpoints.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });
});

describe('checked', () => {
  it('takes an endpoint out and in, whatever the share, and leaves somebody when all are down', () => {
    const { upstream } = setUp(list('a', 'b', 'c'));
    for (const id of ['a', 'b']) upstream.checked(endpointKey(instance(id)), 'down');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['c']));
    upstream.checked(endpointKey(instance('c')), 'down');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b', 'c']));
    upstream.checked(endpointKey(instance('a')), 'up');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a']));
    upstream.checked(endpointKey(instance('b')), 'unchecked');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b']));
  });

  it('ends an ejection with up, and takes nobody for another at the same id', () => {
    const { upstream } = setUp(list('a', 'b'));
    refuse(upstream, 'a');
    upstream.checked(endpointKey(instance('a', { port: 7 })), 'up');
    upstream.checked('nobody', 'down');
    expect(stateOf(upstream, 'a')).toBe('ejected');
    upstream.checked(endpointKey(instance('a')), 'up');
    expect(stateOf(upstream, 'a')).toBe('healthy');
  });

  it('takes no room from ejections', () => {
    const { upstream } = setUp(list('a', 'b', 'c'));
    upstream.checked(endpointKey(instance('a')), 'down');
    refuse(upstream, 'b');
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['c']));
  });
});

describe('success rates', () => {
  const outliers = { windowMs: 10_000, minRequests: 20, margin: 0.3 };

  it('eject one of three that answers 500 to everything, and only that one', () => {
    const { upstream, clock } = setUp(list('a', 'b', 'c'), { outliers });
    for (let round = 0; round < 10; round += 1) {
      clock.nowMs += 100;
      answer(upstream, 9, (id) => (id === 'b' ? 'server_error' : 'success'));
    }
    expect(['a', 'b', 'c'].map((id) => stateOf(upstream, id))).toEqual(['healthy', 'ejected', 'healthy']);
  });

  it('eject nobody when all answer alike, or when it is turned off', () => {
    const cases: readonly (readonly [number, (id: string) => EndpointReport])[] = [
      [10_000, () => 'server_error'],
      [0, (id) => (id === 'b' ? 'server_error' : 'success')],
    ];
    for (const [windowMs, of] of cases) {
      const { upstream, clock } = setUp(list('a', 'b', 'c'), { outliers: { ...outliers, windowMs } });
      for (let round = 0; round < 20; round += 1) {
        clock.nowMs += 100;
        answer(upstream, 9, of);
      }
      expect(upstream.endpoints.every(({ health }) => health.state === 'healthy')).toBe(true);
    }
  });

  it('take the last word of an attempt', () => {
    const { upstream, clock } = setUp(list('a', 'b', 'c'), { outliers });
    for (let k = 0; k < 120; k += 1) {
      clock.nowMs += 20;
      const lease = acquire(upstream);
      lease?.report('success');
      // Breaks off every other response: never three in a row.
      if (lease?.endpoint.instance.id === 'b' && k % 2 === 0) lease.report('failed');
      lease?.release();
    }
    expect(upstream.endpoints.map(({ health }) => health.ejections > 0)).toEqual([false, true, false]);
  });
});

describe('setPolicy', () => {
  it('changes the strategy under way, with leases held', () => {
    const { upstream } = setUp(list('a', 'b', 'c'));
    const held = [acquire(upstream), acquire(upstream)];
    upstream.setPolicy({ ...upstream.policy, balance: 'least-requests' });
    expect(take(upstream)).toBe('c');
    expect(take(upstream)).toBe('c');
    for (const lease of held) lease?.release();
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b', 'c']));
    upstream.setPolicy({ ...upstream.policy, balance: 'consistent-hash' });
    expect(new Set(takeMany(upstream, 3, { ...all, hash: 77 })).size).toBe(1);
  });
});
