import { describe, expect, it } from 'vitest';

import type { RequestHead } from '../http/message.ts';
import { createRetryBudget } from './retry-budget.ts';

import { attempt, head, relay, reset, setUp, type SetUp } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

/** An exchange whose first attempt is on `a`, which is silent. */
function silent(more: SetUp['destination'] = {}, request: RequestHead = head(), ids = ['a', 'b', 'c']) {
  const upstream = new FakeUpstream({ ids });
  const bench = setUp({ destination: { upstream, ...more } });
  const exchange = bench.open(request);
  const abandoned: string[] = [];
  const first = attempt(exchange.first);
  first.driver = { abandon: () => abandoned.push('a') };
  upstream.endpoints[0]!.silence = 'silent';
  return { ...bench, upstream, exchange, first, abandoned };
}

const put = head({ method: 'PUT', body: { kind: 'length', bytes: 3 } });
const post = head({ method: 'POST', body: { kind: 'length', bytes: 3 } });

describe('an attempt on a silent endpoint', () => {
  it('goes on beside one elsewhere, when the request is safe; the first answer counts', () => {
    const { exchange, upstream, abandoned, records, clock } = silent();
    const second = attempt(exchange.leave('head'));
    expect(second).toMatchObject({ endpoint: { instance: { id: 'b' } }, hedgeAfterMs: 0 });
    expect(abandoned).toEqual([]);
    clock.nowMs = 5;
    relay(exchange.responded({}, second));
    exchange.ended();
    expect(abandoned).toEqual(['a']);
    expect(upstream.leases.map(({ reports }) => reports)).toEqual([[], [['success', 5]]]);
    expect(records[0]?.attempts).toMatchObject([
      { instance: 'a', kind: 'first', end: 'dropped' },
      { instance: 'b', kind: 'silence', end: 'answered' },
    ]);
  });

  it('still gives the answer when it is first after all', () => {
    const { exchange, first, upstream } = silent();
    exchange.leave('head');
    relay(exchange.responded({}, first));
    exchange.ended();
    expect(upstream.held).toBe(0);
  });

  it.each<[string, RequestHead, 'nothing' | 'head' | 'body', 'replaced' | 'left alone']>([
    ['a PUT that can be sent again', put, 'head', 'replaced'],
    ['a PUT that can not', put, 'body', 'left alone'],
    ['a POST', post, 'head', 'left alone'],
    ['a POST of which nothing was sent', post, 'nothing', 'replaced'],
    ['a GET of which nothing was sent', head(), 'nothing', 'replaced'],
  ])('%s: %3$s', (_what, request, sent, fate) => {
    const { exchange, upstream, abandoned } = silent({}, request);
    const step = exchange.leave(sent);
    expect(step?.endpoint.instance.id).toBe(fate === 'replaced' ? 'b' : undefined);
    expect(abandoned).toEqual(fate === 'replaced' ? ['a'] : []);
    expect(upstream.held).toBe(1);
  });

  it('leaves a POST alone unless the operator says that it may be repeated', () => {
    const retry = { attempts: 3, statuses: [], nonIdempotent: 'allow' } as const;
    expect(silent({ retry }, post).exchange.leave('head')?.endpoint.instance.id).toBe('b');
  });

  it('does not go to an endpoint that is in doubt itself', () => {
    const { exchange, upstream } = silent();
    upstream.endpoints[1]!.silence = 'asked';
    expect(exchange.leave('head')?.endpoint.instance.id).toBe('c');
    expect(upstream.held).toBe(2);
  });

  it('stays where it is when all are silent, or when it is the only one', () => {
    const all = silent();
    for (const endpoint of all.upstream.endpoints) endpoint.silence = 'silent';
    expect(all.exchange.leave('head')).toBeUndefined();
    expect(all.upstream.held).toBe(1);
    expect(silent({}, head(), ['a']).exchange.leave('head')).toBeUndefined();
  });

  it('may try again later, when the budget has allowed none', () => {
    const budget = createRetryBudget({ ratio: 0, floorPerSecond: 0.1, maxConcurrent: 1 });
    const { exchange, open } = silent({ budget });
    expect(budget.withdraw(0)).toBe(true);
    expect(exchange.leave('head')).toBeUndefined();
    budget.refund();
    expect(exchange.leave('head')).toBeDefined();
    expect(open().leave('head')).toBeUndefined();
  });

  it('leaves once: the request may be the reason for the silence', () => {
    const { exchange, upstream, first } = silent();
    const second = attempt(exchange.leave('head'));
    upstream.endpoints[1]!.silence = 'silent';
    expect(exchange.leave('head', first)).toBeUndefined();
    expect(exchange.leave('head', second)).toBeUndefined();
    const replaced = silent({}, put);
    attempt(replaced.exchange.leave('head'));
    replaced.upstream.endpoints[1]!.silence = 'silent';
    expect(replaced.exchange.leave('head')).toBeUndefined();
  });

  it('leaves again when the one elsewhere has failed', () => {
    const { exchange, first } = silent();
    const second = attempt(exchange.leave('head'));
    expect(exchange.failed(reset, second).kind).toBe('pending');
    expect(exchange.leave('head', first)?.endpoint.instance.id).toBe('c');
  });

  it('goes nowhere without an attempt left, after the deadline, or once the client has part of a response', () => {
    const retry = { attempts: 1, statuses: [], nonIdempotent: 'never' } as const;
    expect(silent({ retry }).exchange.leave('head')).toBeUndefined();
    const timeouts = { connectMs: 1, responseHeadMs: 1, idleMs: 1, tryMs: 0, totalMs: 100 };
    const late = silent({ timeouts });
    late.clock.nowMs = 100;
    expect(late.exchange.leave('head')).toBeUndefined();
    const begun = silent();
    begun.exchange.interim({ status: 103, reason: '', fields: [] });
    expect(begun.exchange.leave('head')).toBeUndefined();
  });
});
