import { describe, expect, it } from 'vitest';

import type { RequestHead } from '../http/message.ts';
import { createRetryBudget } from './retry-budget.ts';
import { attempt, codeOf, head, refused, relay, reset, setUp } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

function hedged(ids: readonly string[] = ['a', 'b', 'c']) {
  const upstream = new FakeUpstream({ ids });
  return { ...setUp({ destination: { upstream, hedgeAfterMs: 50 } }), upstream };
}

describe('hedging', () => {
  it.each<[Partial<RequestHead>, number]>([
    [{}, 50],
    [{ method: 'HEAD' }, 50],
    [{ method: 'OPTIONS' }, 50],
    [{ method: 'PUT' }, 0],
    [{ method: 'DELETE' }, 0],
    [{ body: { kind: 'length', bytes: 1 } }, 0],
    [{ upgrade: 'websocket' }, 0],
  ])('is for safe requests without a body: %j after %d ms', (more, ms) => {
    expect(attempt(hedged().open(head(more)).first).hedgeAfterMs).toBe(ms);
  });

  it('takes the faster answer, and does not blame the other', () => {
    const { open, upstream, clock, records } = hedged();
    const exchange = open();
    const one = attempt(exchange.first);
    clock.nowMs = 50;
    const two = attempt(exchange.hedge());
    expect(two).toMatchObject({ endpoint: { instance: { id: 'b' } }, hedgeAfterMs: 0 });
    clock.nowMs = 60;
    relay(exchange.responded({}, two));
    expect(upstream.leases.map((lease) => lease.releases)).toEqual([1, 0]);
    exchange.ended();
    expect(upstream.leases.map((lease) => lease.reports)).toEqual([[], [['success', 10]]]);
    expect(records[0]).toMatchObject({
      instance: 'b',
      retries: 0,
      attempts: [
        { instance: 'a', kind: 'first', end: 'dropped', durationMs: 60 },
        { instance: 'b', kind: 'hedge', end: 'answered', durationMs: 10 },
      ],
    });
    expect(one.endpoint.instance.id).toBe('a');
  });

  it('tells the run which attempt is given up, and only that one', () => {
    const { open } = hedged();
    const exchange = open();
    const abandoned: string[] = [];
    const one = attempt(exchange.first);
    const two = attempt(exchange.hedge());
    one.driver = { abandon: () => abandoned.push('one') };
    two.driver = { abandon: () => abandoned.push('two') };
    relay(exchange.responded({}, two));
    exchange.ended();
    expect(abandoned).toEqual(['one']);
  });

  it('tells the run to give up both when the client has left', () => {
    const { open } = hedged();
    const exchange = open();
    const abandoned: string[] = [];
    attempt(exchange.first).driver = { abandon: () => abandoned.push('one') };
    attempt(exchange.hedge()).driver = { abandon: () => abandoned.push('two') };
    exchange.failed({ code: 'client_closed', sent: 'head', connection: 'fresh' });
    expect(abandoned).toEqual(['one', 'two']);
  });

  it('waits for the other when one fails, and retries when both have', () => {
    const { open, upstream } = hedged();
    const exchange = open();
    const one = attempt(exchange.first);
    const two = attempt(exchange.hedge());
    expect(exchange.failed(reset, one).kind).toBe('pending');
    expect(upstream.leases[0]?.reports).toEqual([['failed', undefined]]);
    expect(attempt(exchange.failed(refused, two)).endpoint.instance.id).toBe('c');
    expect(codeOf(exchange.failed(reset))).toBe('upstream_reset');
    expect(upstream.held).toBe(0);
  });

  it('waits for the other when one gives an answer that the route would try elsewhere', () => {
    const upstream = new FakeUpstream();
    const { open } = setUp({
      destination: {
        upstream,
        hedgeAfterMs: 50,
        retry: { attempts: 3, statuses: [503], nonIdempotent: 'never' },
      },
    });
    const exchange = open();
    const one = attempt(exchange.first);
    const two = attempt(exchange.hedge());
    expect(exchange.responded({ status: 503 }, one).kind).toBe('pending');
    expect(relay(exchange.responded({ status: 503 }, two)).status).toBe(503);
  });

  it('is over for both with the deadline, and with the client', () => {
    for (const code of ['deadline_exceeded', 'client_closed'] as const) {
      const { open, upstream } = hedged();
      const exchange = open();
      const one = attempt(exchange.first);
      attempt(exchange.hedge());
      expect(exchange.failed({ code, sent: 'head', connection: 'fresh' }, one).kind).toMatch(/answer|finish/);
      expect(upstream.held).toBe(0);
    }
  });

  it('needs another instance, an attempt that is left, and the budget', () => {
    expect(hedged(['a']).open().hedge()).toBeUndefined();
    const upstream = new FakeUpstream();
    const destination = { upstream, hedgeAfterMs: 50 };
    const single = { attempts: 1, statuses: [], nonIdempotent: 'never' } as const;
    expect(
      setUp({ destination: { ...destination, retry: single } })
        .open()
        .hedge(),
    ).toBeUndefined();
    const budget = createRetryBudget({ ratio: 0, floorPerSecond: 0, maxConcurrent: 0 });
    expect(
      setUp({ destination: { ...destination, budget } })
        .open()
        .hedge(),
    ).toBeUndefined();
    const answered = setUp({ destination }).open();
    answered.responded();
    expect(answered.hedge()).toBeUndefined();
  });
});
