import { describe, expect, it } from 'vitest';

import { answer, attempt, codeOf, field, refused, relay, setUp, timeouts, wait } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

const queue = { limit: 8, timeoutMs: 1000 };

describe('an upstream at its limit', () => {
  it('sheds with 503 and Retry-After', () => {
    const upstream = new FakeUpstream();
    upstream.refusals = ['shed'];
    const { open } = setUp({ destination: { upstream } });
    const { first } = open();
    expect(codeOf(first)).toBe('overloaded');
    expect(answer(first).status).toBe(503);
    expect(field(answer(first).fields, 'retry-after')).toEqual(['1']);
  });

  it('lets a request wait for an instance to become free, first come, first served', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, policy: { queue } });
    const { open, records, clock } = setUp({ destination: { upstream } });
    const running = open();
    const waiting = open();
    const step = wait(waiting.first);
    expect(step.timeoutMs).toBe(1000);
    let calls = 0;
    step.ticket!.ready = () => {
      calls += 1;
    };
    clock.nowMs = 300;
    relay(running.responded());
    running.ended();
    expect(calls).toBe(1);
    expect(attempt(waiting.waited('ready')).endpoint.instance.id).toBe('a');
    clock.nowMs = 310;
    relay(waiting.responded());
    waiting.ended();
    expect(records[1]).toMatchObject({ queuedMs: 300, durationMs: 310, upstreamMs: 10, status: 200 });
    expect(upstream.held).toBe(0);
  });

  it('refuses at once when the queue is full', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, queueLimit: 0 });
    const { open } = setUp({ destination: { upstream } });
    open();
    expect(codeOf(open().first)).toBe('overloaded');
  });

  it('gives up after the queue timeout, and leaves the queue', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, policy: { queue } });
    const { open, clock, records } = setUp({ destination: { upstream } });
    open();
    const waiting = open();
    clock.nowMs = 1000;
    const step = waiting.waited('timeout');
    expect(codeOf(step)).toBe('queue_timeout');
    expect(answer(step).status).toBe(503);
    expect(upstream.queued).toBe(0);
    waiting.ended();
    expect(records[0]).toMatchObject({ error: 'queue_timeout', queuedMs: 1000, attempts: [] });
  });

  it('waits no longer than the deadline, and sends nothing after it', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, policy: { queue } });
    const { open, clock } = setUp({
      destination: { upstream, timeouts: { ...timeouts, totalMs: 400 } },
    });
    const running = open();
    const one = open();
    const two = open();
    expect(wait(one.first).timeoutMs).toBe(400);
    clock.nowMs = 400;
    expect(codeOf(one.waited('timeout'))).toBe('deadline_exceeded');
    relay(running.responded());
    running.ended();
    expect(upstream.held).toBe(1);
    // The grant came, but too late: the lease goes back unused.
    expect(codeOf(two.waited('ready'))).toBe('deadline_exceeded');
    expect(upstream.held).toBe(0);
    expect(upstream.leases.every((lease) => lease.reports.every(([report]) => report === 'success'))).toBe(
      true,
    );
  });

  it('gives a lease back that is granted to a client that leaves in the same moment', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, policy: { queue } });
    const { open } = setUp({ destination: { upstream } });
    const running = open();
    const waiting = open();
    wait(waiting.first);
    running.ended();
    expect(upstream.held).toBe(1);
    const gone = waiting.failed({ code: 'client_closed', sent: 'nothing', connection: 'fresh' }, undefined);
    expect(gone.kind).toBe('finish');
    expect(upstream.held).toBe(0);
    waiting.ended({ kind: 'client_closed', requestBytes: 0, responseBytes: 0 });
    expect(upstream.leases.map((lease) => lease.releases)).toEqual([1, 1]);
  });

  it('uses a lease that is granted in the moment in which the wait times out', () => {
    const upstream = new FakeUpstream({ ids: ['a'], capacity: 1, policy: { queue } });
    const { open, clock } = setUp({ destination: { upstream } });
    const running = open();
    const waiting = open();
    running.ended();
    clock.nowMs = 1000;
    expect(waiting.waited('timeout').kind).toBe('attempt');
  });

  it('lets a retry wait too, and answers with the failure when no other instance becomes free', () => {
    const upstream = new FakeUpstream({ capacity: 1, policy: { queue } });
    const { open } = setUp({ destination: { upstream } });
    const first = open();
    const second = open();
    expect(attempt(second.first).endpoint.instance.id).toBe('b');
    wait(first.failed(refused));
    expect(codeOf(first.waited('timeout'))).toBe('connect_refused');
  });
});
