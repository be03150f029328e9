import { describe, expect, it } from 'vitest';

import type { RetryRules } from '../routing/policy.ts';
import type { ErrorCode } from './errors.ts';
import { createRetryBudget } from './retry-budget.ts';
import { answerVerdict, mayBePassedOver, mayRetry, sameInstancePauseMs } from './retry.ts';
import type { AttemptFailure } from './seam.ts';
import { answer, attempt, codeOf, field, head, refused, relay, reset, setUp, wait } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

const rules: RetryRules = { attempts: 3, statuses: [], nonIdempotent: 'never' };
const optedIn: RetryRules = { ...rules, statuses: [502, 503, 504] };
const failure = (code: ErrorCode, sent: AttemptFailure['sent']): AttemptFailure => ({
  code,
  sent,
  connection: 'fresh',
});

describe('what may be repeated', () => {
  it.each<[ErrorCode, AttemptFailure['sent'], string, boolean]>([
    ['connect_refused', 'nothing', 'POST', true],
    ['connect_failed', 'nothing', 'PATCH', true],
    ['connect_timeout', 'nothing', 'POST', true],
    ['wrong_instance', 'nothing', 'POST', true],
    ['upstream_reset', 'nothing', 'POST', true],
    ['upstream_reset', 'head', 'GET', true],
    ['upstream_reset', 'head', 'DELETE', true],
    ['upstream_reset', 'head', 'POST', false],
    ['upstream_reset', 'head', 'PATCH', false],
    ['upstream_reset', 'head', 'LOCK', false],
    ['upstream_reset', 'body', 'PUT', false],
    ['try_timeout', 'head', 'GET', true],
    ['try_timeout', 'head', 'POST', false],
    ['upstream_timeout', 'head', 'GET', false],
    ['upstream_protocol', 'head', 'GET', false],
    ['response_incomplete', 'head', 'GET', false],
    ['deadline_exceeded', 'head', 'GET', false],
    ['request_timeout', 'nothing', 'GET', false],
  ])('%s, sent %s, %s: %s', (code, sent, method, allowed) => {
    expect(mayRetry(method, failure(code, sent), rules)).toBe(allowed);
  });

  it('repeats any method where the operator vouches for the service, but never a body that is gone', () => {
    const allow: RetryRules = { ...rules, nonIdempotent: 'allow' };
    expect(mayRetry('POST', failure('upstream_reset', 'head'), allow)).toBe(true);
    expect(mayRetry('POST', failure('upstream_reset', 'body'), allow)).toBe(false);
    expect(mayRetry('POST', failure('upstream_timeout', 'head'), allow)).toBe(false);
  });

  it.each<[number, string, readonly string[], 'final' | 'elsewhere' | 'once_more']>([
    [503, 'GET', [], 'elsewhere'],
    [502, 'PUT', [], 'elsewhere'],
    [503, 'POST', [], 'final'],
    [503, 'GET', ['Retry-After', '1'], 'elsewhere'],
    [503, 'GET', ['Retry-After', '2'], 'final'],
    [503, 'GET', ['Retry-After', 'Fri, 20 Nov 2026 12:00:00 GMT'], 'final'],
    [500, 'GET', [], 'final'],
    [501, 'GET', [], 'final'],
    [404, 'GET', [], 'final'],
    [429, 'GET', [], 'final'],
    [421, 'POST', [], 'once_more'],
    [425, 'GET', [], 'once_more'],
    [425, 'POST', [], 'final'],
  ])('a %d to a %s with %j is %s', (status, method, fields, verdict) => {
    expect(answerVerdict({ method, hasEarlyData: false }, { status, reason: '', fields }, optedIn)).toBe(
      verdict,
    );
    if (verdict !== 'final') expect(mayBePassedOver(status)).toBe(true);
  });

  it('passes a status on that the route does not list, and a 425 to a client that used early data', () => {
    const unavailable = { status: 503, reason: '', fields: [] };
    expect(answerVerdict({ method: 'GET', hasEarlyData: false }, unavailable, rules)).toBe('final');
    const early = { status: 425, reason: '', fields: [] };
    expect(answerVerdict({ method: 'GET', hasEarlyData: true }, early, rules)).toBe('final');
  });

  it('pauses 25 to 250 ms before the same instance', () => {
    expect([0, 0.5, 0.999_999].map(sameInstancePauseMs)).toEqual([25, 138, 250]);
  });
});

describe('answers that are tried elsewhere', () => {
  const busy = { status: 503, reason: 'Service Unavailable', fields: ['X-From', 'a'] };

  it('asks another instance, and relays its answer', () => {
    const upstream = new FakeUpstream();
    const { open, records } = setUp({ destination: { upstream, retry: optedIn } });
    const exchange = open();
    expect(attempt(exchange.responded(busy)).endpoint.instance.id).toBe('b');
    expect(relay(exchange.responded()).status).toBe(200);
    exchange.ended();
    expect(upstream.leases.map((lease) => lease.reports)).toEqual([[['gateway_error', 0]], [['success', 0]]]);
    expect(records[0]).toMatchObject({
      status: 200,
      error: undefined,
      retries: 1,
      attempts: [
        { instance: 'a', end: 'passed_over', status: 503, error: undefined },
        { instance: 'b', end: 'answered', status: 200, kind: 'retry' },
      ],
    });
  });

  it('passes the last one on when nobody is left, and never pauses for it', () => {
    const { open } = setUp({ destination: { upstream: new FakeUpstream(), retry: optedIn } });
    const exchange = open();
    attempt(exchange.responded(busy));
    expect(relay(exchange.responded({ ...busy, fields: ['X-From', 'b'] })).fields).toContain('X-From');
    const lonely = setUp({
      destination: { upstream: new FakeUpstream({ ids: ['a'] }), retry: optedIn },
    }).open();
    expect(relay(lonely.responded(busy)).status).toBe(503);
  });

  it('passes it on when the request can not be sent again, or the engine does not say so', () => {
    const body = { kind: 'length', bytes: 5 } as const;
    const { open } = setUp({ destination: { upstream: new FakeUpstream(), retry: optedIn } });
    const put = () => open(head({ method: 'PUT', body }));
    expect(put().responded(busy, undefined, 'body').kind).toBe('relay');
    expect(put().responded(busy).kind).toBe('relay');
    expect(put().responded(busy, undefined, 'head').kind).toBe('attempt');
  });

  it('passes it on without a budget, and gives unused budget back', () => {
    const empty = createRetryBudget({ ratio: 0, floorPerSecond: 0, maxConcurrent: 0 });
    const { open } = setUp({ destination: { upstream: new FakeUpstream(), retry: optedIn, budget: empty } });
    expect(open().responded(busy).kind).toBe('relay');
    const one = createRetryBudget({ ratio: 0, floorPerSecond: 0.1, maxConcurrent: 1 });
    const lonely = setUp({
      destination: { upstream: new FakeUpstream({ ids: ['a'] }), retry: optedIn, budget: one },
    });
    expect(lonely.open().responded(busy).kind).toBe('relay');
    expect(one.withdraw(0)).toBe(true);
  });

  it('obeys a 421 once, on a fresh connection, of the same instance if it is the only one', () => {
    const { open } = setUp({ destination: { upstream: new FakeUpstream({ ids: ['a'] }) } });
    const exchange = open(head({ method: 'POST' }));
    const again = attempt(exchange.responded({ status: 421 }));
    expect(again).toMatchObject({ connection: 'fresh', endpoint: { instance: { id: 'a' } } });
    expect(relay(exchange.responded({ status: 421 })).status).toBe(421);
  });

  it('sends nothing again once part of a response has reached the client; a 100 is no part of one', () => {
    const { open } = setUp({ destination: { upstream: new FakeUpstream(), retry: optedIn } });
    const hinted = open();
    hinted.interim({ status: 103, reason: '', fields: ['Link', '</a>'] });
    expect(hinted.responded(busy).kind).toBe('relay');
    const broken = open();
    broken.interim({ status: 103, reason: '', fields: ['Link', '</a>'] });
    expect(codeOf(broken.failed(reset))).toBe('upstream_reset');
    const continued = open();
    continued.interim({ status: 100, reason: '', fields: [] });
    expect(continued.failed(reset).kind).toBe('attempt');
  });

  it('passes Idempotency-Key on, which by itself allows nothing', () => {
    const { open } = setUp({ destination: { upstream: new FakeUpstream(), retry: optedIn } });
    const post = open(head({ method: 'POST' }, ['Idempotency-Key', '"k"']));
    expect(field(attempt(post.first).fields, 'idempotency-key')).toEqual(['"k"']);
    expect(post.failed(reset).kind).toBe('answer');
  });
});

describe('the only instance', () => {
  it('is tried again after a pause, in which the client may leave', () => {
    const { open, records } = setUp({ ids: ['a'], context: { random: () => 0.5 } });
    const exchange = open(head({ method: 'POST' }));
    expect(wait(exchange.failed(refused))).toEqual({ kind: 'wait', timeoutMs: 138, ticket: undefined });
    expect(attempt(exchange.waited('timeout')).endpoint.instance.id).toBe('a');
    expect(wait(exchange.failed(refused)).timeoutMs).toBe(138);
    exchange.failed({ code: 'client_closed', sent: 'nothing', connection: 'fresh' }, undefined);
    exchange.ended({ kind: 'client_closed', requestBytes: 0, responseBytes: 0 });
    expect(records[0]).toMatchObject({ status: 499, retries: 1, attempts: [{}, {}], queuedMs: 0 });
  });

  it('gives way to one that has come meanwhile', () => {
    const upstream = new FakeUpstream({ ids: ['a', 'b'] });
    const [, b] = upstream.endpoints;
    upstream.endpoints = upstream.endpoints.slice(0, 1);
    const { open } = setUp({ destination: { upstream } });
    const exchange = open();
    wait(exchange.failed(refused));
    upstream.endpoints = [...upstream.endpoints, b!];
    expect(attempt(exchange.waited('timeout')).endpoint.instance.id).toBe('b');
  });

  it('is not waited for beyond its attempts, nor when the request can not be repeated', () => {
    const { open } = setUp({ ids: ['a'] });
    const exchange = open();
    wait(exchange.failed(refused));
    exchange.waited('timeout');
    wait(exchange.failed(refused));
    exchange.waited('timeout');
    expect(codeOf(exchange.failed(refused))).toBe('connect_refused');
    expect(answer(open(head({ method: 'POST' })).failed(reset)).status).toBe(502);
  });
});

describe('what the endpoint hears', () => {
  it.each<[number, string]>([
    [200, 'success'],
    [404, 'success'],
    [429, 'success'],
    [500, 'server_error'],
    [501, 'server_error'],
    [502, 'gateway_error'],
    [503, 'gateway_error'],
    [504, 'gateway_error'],
  ])('of a %d: %s, with the time to its head', (status, report) => {
    const upstream = new FakeUpstream();
    const { open, clock } = setUp({ destination: { upstream } });
    const exchange = open();
    clock.nowMs = 20;
    relay(exchange.responded({ status }));
    clock.nowMs = 50;
    exchange.ended();
    expect(upstream.leases[0]?.reports).toEqual([[report, 20]]);
  });

  it.each([
    [200, 'success'],
    [500, 'gateway_error'],
  ])('a probe proves itself with its head: a %d is %s', (status, report) => {
    const upstream = new FakeUpstream();
    upstream.endpoints[0]!.health = { state: 'probation', ejections: 1 };
    const exchange = setUp({ destination: { upstream } }).open();
    exchange.responded({ status });
    expect(upstream.leases[0]?.reports).toEqual([[report, 0]]);
  });

  it('of a long upload no time, which would be the client’s', () => {
    const upstream = new FakeUpstream();
    const { open, clock } = setUp({ destination: { upstream } });
    for (const bytes of [16_384, 16_385]) {
      const exchange = open(head({ method: 'POST', body: { kind: 'length', bytes } }));
      clock.nowMs += 20;
      relay(exchange.responded());
      exchange.ended();
    }
    expect(upstream.leases.map((lease) => lease.reports)).toEqual([
      [['success', 20]],
      [['success', undefined]],
    ]);
  });

  it('somebody else at the address is as good as nobody', () => {
    const upstream = new FakeUpstream();
    const exchange = setUp({ destination: { upstream } }).open();
    attempt(exchange.failed({ code: 'wrong_instance', sent: 'nothing', connection: 'fresh' }));
    expect(upstream.leases[0]?.reports).toEqual([['connect_failed', undefined]]);
  });
});
