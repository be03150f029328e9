import { describe, expect, it } from 'vitest';

import { instance } from '../../../test/kit/builders.ts';
import { lookMs } from './answer-times.ts';
import type { Endpoint, Lease } from './endpoint.ts';
import { acquire, all, randomFrom, refuse, setUp, take, takeMany, update } from './testing/samples.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** What a simulated service does; times in milliseconds. */
interface Traffic {
  readonly ids?: readonly string[];
  readonly perSecond: number;
  /** The time that a request takes; its head comes at the end of it. */
  readonly takesMs: (random: number) => number;
  readonly seconds: number;
  /** From here on these instances say nothing. */
  readonly hang?: { readonly ids: readonly string[]; readonly atMs: number };
  /** Whether an instance answers the questions. */
  readonly lives?: (id: string) => boolean;
  readonly policy?: Partial<UpstreamPolicy>;
}

/** Sends requests to an upstream, looks, and answers its questions at once. Returns when each instance was asked. */
function simulate({ ids = ['a', 'b', 'c'], perSecond, takesMs, seconds, hang, lives, policy }: Traffic) {
  const { upstream, clock, news } = setUp(
    ids.map((id) => instance(id)),
    policy,
  );
  const random = randomFrom(7);
  const running: {
    readonly lease: Lease;
    readonly id: string;
    readonly from: number;
    readonly ms: number;
  }[] = [];
  const asked: { readonly id: string; readonly atMs: number }[] = [];
  const sentTo: string[] = [];
  const hangs = (id: string): boolean =>
    hang !== undefined && clock.nowMs >= hang.atMs && hang.ids.includes(id);
  let sent = 0;
  for (; clock.nowMs < seconds * 1_000; clock.nowMs += 5) {
    for (; sent < (clock.nowMs / 1_000) * perSecond; sent += 1) {
      const lease = acquire(upstream);
      if (lease === undefined) throw new Error('no endpoint');
      const { id } = lease.endpoint.instance;
      sentTo.push(id);
      running.push({ lease, id, from: clock.nowMs, ms: takesMs(random()) });
    }
    for (const request of running.splice(0)) {
      if (clock.nowMs < request.from + request.ms || hangs(request.id)) {
        running.push(request);
        continue;
      }
      request.lease.headCame(request.ms);
      request.lease.report('success');
      request.lease.release();
    }
    if (clock.nowMs % lookMs !== 0) continue;
    for (const { endpoint, does } of upstream.look()) {
      if (does !== 'ask') continue;
      const { id } = endpoint.instance;
      asked.push({ id, atMs: clock.nowMs });
      upstream.answered(endpoint, lives?.(id) ?? !hangs(id));
    }
  }
  return { upstream, clock, news, asked, sentTo, running };
}

/** An upstream whose latencies are known, and for which nothing waits. */
function known() {
  const { upstream, running } = simulate({ perSecond: 300, takesMs: usual, seconds: 5 });
  for (const { lease } of running) lease.release();
  return upstream;
}

const usual = (random: number): number => 2 + 20 * random;
/** One of ten is a report that takes half a minute. */
const bimodal = (random: number): number => (random < 0.1 ? 30_000 : usual(random));

describe('silence', () => {
  it('is asked about within two looks where the latency of the service does not explain it', () => {
    const hang = { ids: ['a'], atMs: 5_000 };
    const { asked, news, upstream } = simulate({ perSecond: 300, takesMs: usual, seconds: 6, hang });
    expect(asked[0]?.id).toBe('a');
    expect(asked[0]?.atMs).toBeLessThanOrEqual(hang.atMs + 3 * lookMs);
    expect(asked.every(({ id }) => id === 'a')).toBe(true);
    expect(news).toMatchObject([{ kind: 'silent', instance: { id: 'a' } }]);
    expect(upstream.endpoints.map(({ silence }) => silence)).toEqual(['silent', 'none', 'none']);
  });

  it.each<[string, Partial<Traffic>]>([
    ['fast requests', { takesMs: usual, perSecond: 300 }],
    ['reports of half a minute', { takesMs: () => 30_000, perSecond: 2 }],
    ['long polls', { takesMs: (random) => 20_000 + 10_000 * random, perSecond: 10 }],
    ['one instance of which nothing else is known', { ids: ['a'], takesMs: () => 9_000, perSecond: 1 }],
    ['both, on the same instances', { takesMs: bimodal, perSecond: 100 }],
  ])('is nothing unusual in a service of %s: nobody is asked', (_what, traffic) => {
    const { asked, news } = simulate({ perSecond: 1, takesMs: usual, seconds: 90, ...traffic });
    expect(asked).toEqual([]);
    expect(news).toEqual([]);
  });

  it('is noticed beside reports of half a minute, too', () => {
    const hang = { ids: ['b'], atMs: 60_000 };
    const { asked } = simulate({ perSecond: 100, takesMs: bimodal, seconds: 62, hang });
    expect(asked[0]).toMatchObject({ id: 'b' });
    expect(asked[0]?.atMs).toBeLessThanOrEqual(hang.atMs + 4 * lookMs);
  });

  it('is noticed where a request comes every second, within a few seconds', () => {
    const hang = { ids: ['a'], atMs: 60_000 };
    const { asked } = simulate({ perSecond: 1, takesMs: usual, seconds: 70, hang });
    expect(asked[0]).toMatchObject({ id: 'a' });
    expect(asked[0]?.atMs).toBeLessThanOrEqual(hang.atMs + 5_000);
  });

  it('of streams is none: what has sent its head owes nothing', () => {
    const upstream = known();
    for (let stream = 0; stream < 10; stream += 1) acquire(upstream)!.headCame(5);
    for (let look = 0; look < 1_000; look += 1) expect(upstream.look()).toEqual([]);
  });

  it('of an instance that answers the questions is asked about less and less', () => {
    const upstream = known();
    const lease = acquire(upstream)!;
    let questions = 0;
    for (let look = 0; look < 60_000 / lookMs; look += 1) {
      for (const { endpoint } of upstream.look()) {
        questions += 1;
        upstream.answered(endpoint, true);
      }
    }
    expect(questions).toBeGreaterThan(3);
    expect(questions).toBeLessThan(8);
    expect(lease.endpoint.silence).toBe('none');
  });

  it('is asked about at once again when something new waits beside what was excused', () => {
    const upstream = known();
    const { endpoint } = acquire(upstream)!;
    const others = upstream.endpoints.filter((other) => other !== endpoint);
    const looks = (count: number): Endpoint[] =>
      Array.from({ length: count }, () => upstream.look()).flatMap((news) => news.map((row) => row.endpoint));
    for (const row of looks(3)) upstream.answered(row, true);
    for (const row of looks(8)) upstream.answered(row, true);
    expect(looks(2)).toEqual([]);
    acquire(upstream, { tag: undefined, tried: others });
    acquire(upstream, { tag: undefined, tried: others });
    expect(looks(2)).toEqual([endpoint]);
  });

  it('is not looked for under a policy that says so, nor any longer after it has changed to that', () => {
    const hang = { ids: ['a'], atMs: 1_000 };
    const traffic = { perSecond: 300, takesMs: usual, seconds: 4, hang };
    expect(simulate({ ...traffic, policy: { silence: 'off' } }).asked).toEqual([]);
    const { upstream, news } = simulate(traffic);
    upstream.setPolicy({ ...upstream.policy, silence: 'off' });
    expect(upstream.endpoints.map(({ silence }) => silence)).toEqual(['none', 'none', 'none']);
    expect(news.map(({ kind }) => kind)).toEqual(['silent', 'speaks']);
  });
});

describe('a silent endpoint', () => {
  const hang = { ids: ['a'], atMs: 1_000 };
  const silent = (more: Partial<Traffic> = {}) =>
    simulate({ perSecond: 300, takesMs: usual, seconds: 4, hang, ...more });

  it('gets nothing new, and is asked once a second', () => {
    const { upstream, asked, sentTo } = silent({ seconds: 12 });
    expect(new Set(sentTo.slice(-2_000))).toEqual(new Set(['b', 'c']));
    expect(asked.length).toBeGreaterThanOrEqual(10);
    expect(asked.length).toBeLessThanOrEqual(11);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['b', 'c']));
  });

  it('is told of at every look while something waits for it', () => {
    const { upstream, running } = silent();
    const leaves = () => upstream.look().filter(({ does }) => does === 'leave');
    expect(leaves()).toMatchObject([{ endpoint: { instance: { id: 'a' } } }]);
    for (const { lease } of running) lease.release();
    expect(leaves()).toEqual([]);
  });

  it('is back as soon as it answers a question', () => {
    const { upstream, news } = silent();
    upstream.answered(upstream.endpoints[0]!, true);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b', 'c']));
    expect(news.map(({ kind }) => kind)).toEqual(['silent', 'speaks']);
  });

  it('is back at the look after it has said anything, on any connection', () => {
    const { upstream, news } = silent();
    upstream.endpoints[0]!.hear();
    upstream.look();
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b', 'c']));
    expect(news.at(-1)).toMatchObject({ kind: 'speaks', instance: { id: 'a' } });
  });

  it('does not hear a late verdict after it has spoken', () => {
    const { upstream } = silent();
    upstream.endpoints[0]!.hear();
    upstream.look();
    upstream.answered(upstream.endpoints[0]!, false);
    expect(upstream.endpoints[0]).toMatchObject({ silence: 'none' });
  });

  it('that speaks is out of an ejection, too', () => {
    const { upstream } = silent();
    refuse(upstream, 'a');
    expect(upstream.endpoints[0]!.health.state).toBe('ejected');
    upstream.answered(upstream.endpoints[0]!, true);
    expect(upstream.endpoints[0]!.health.state).toBe('healthy');
  });

  it('is the last resort like an ejected one: when all are silent, all are used', () => {
    const { upstream } = silent({ hang: { ids: ['a', 'b', 'c'], atMs: 1_000 } });
    expect(upstream.endpoints.map(({ silence }) => silence)).toEqual(['silent', 'silent', 'silent']);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['a', 'b', 'c']));
    upstream.answered(upstream.endpoints[1]!, true);
    expect(new Set(takeMany(upstream, 6))).toEqual(new Set(['b']));
  });

  it('is forgotten when it is no longer listed and nothing waits for it', () => {
    const { upstream, running } = silent();
    update(upstream, instance('b'), instance('c'));
    expect(upstream.look()).not.toEqual([]);
    for (const { lease } of running) lease.release();
    for (let look = 0; look < 10; look += 1) expect(upstream.look()).toEqual([]);
    expect(upstream.endpoints).toHaveLength(2);
  });

  it('that is registered anew is a new process', () => {
    const { upstream } = silent();
    update(upstream, instance('a', { createIndex: 9 }), instance('b'), instance('c'));
    expect(upstream.endpoints[0]).toMatchObject({ silence: 'none' });
    expect(take(upstream, { ...all, tried: upstream.endpoints.slice(1) })).toBe('a');
  });
});
