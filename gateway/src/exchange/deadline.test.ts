import { describe, expect, it } from 'vitest';

import type { FieldLines } from '../http/field-lines.ts';
import { deadlineOf, noDeadline, readGrpcTimeout, readRequestTimeout, writeGrpcTimeout } from './deadline.ts';
import type { AttemptTimeouts } from '../routing/policy.ts';
import {
  attempt,
  codeOf,
  field,
  head,
  relay,
  reset,
  setUp,
  timeouts,
  trustedClient,
} from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

const within = (totalMs: number, more: Partial<AttemptTimeouts> = {}) => ({
  ...timeouts,
  totalMs,
  ...more,
});

describe('what a peer says', () => {
  it.each<[string | undefined, number | undefined]>([
    ['250', 250],
    ['1', 1],
    ['999999999999', 2_147_483_647],
    ['0', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['5, 6', undefined],
    ['5s', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('X-Request-Timeout %j is %s ms', (value, ms) => {
    expect(readRequestTimeout(value)).toBe(ms);
  });

  it.each<[string | undefined, number | undefined]>([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1500u', 2],
    ['1n', 1],
    ['99999999H', 2_147_483_647],
    ['0S', undefined],
    ['100000000m', undefined],
    ['5', undefined],
    ['5s', undefined],
    ['-5S', undefined],
  ])('grpc-timeout %j is %s ms', (value, ms) => {
    expect(readGrpcTimeout(value)).toBe(ms);
  });

  it('writes what it reads', () => {
    for (const ms of [1, 250, 99_999_999, 100_000_000, 2_147_483_000])
      expect(readGrpcTimeout(writeGrpcTimeout(ms))).toBe(ms);
  });

  it('lowers the time of the route and never raises it', () => {
    const said = { 'request-timeout': '500' };
    expect(deadlineOf(100, 0, undefined)).toBe(noDeadline);
    expect(deadlineOf(100, 1000, said)).toEqual({ atMs: 600, source: 'client', grpc: 'absent' });
    expect(deadlineOf(100, 300, said)).toEqual({ atMs: 400, source: 'route', grpc: 'absent' });
    expect(deadlineOf(100, 0, { ...said, 'grpc-timeout': '200m' })).toEqual({
      atMs: 300,
      source: 'client',
      grpc: 'lowered',
    });
  });
});

describe('the deadline of an exchange', () => {
  const sent = (totalMs: number, extra: FieldLines, client = head().client) => {
    const { open } = setUp({ destination: { timeouts: within(totalMs) } });
    return attempt(open(head({ client }, extra)).first);
  };

  it('is told to the instance where there is one, and a stranger’s is not believed', () => {
    const lies: FieldLines = ['X-Request-Timeout', '5', 'grpc-timeout', '5m'];
    expect(field(sent(0, lies).fields, 'x-request-timeout')).toEqual([]);
    expect(field(sent(0, lies).fields, 'grpc-timeout')).toEqual(['5m']);
    expect(field(sent(900, lies).fields, 'x-request-timeout')).toEqual(['900']);
    expect(field(sent(900, lies).fields, 'grpc-timeout')).toEqual(['5m']);
    expect(sent(0, lies).timeouts).toEqual(timeouts);
    const believed = sent(900, lies, trustedClient);
    expect(field(believed.fields, 'x-request-timeout')).toEqual(['5']);
    expect(field(believed.fields, 'grpc-timeout')).toEqual(['5m']);
    expect(believed.timeouts.totalMs).toBe(5);
    const nonsense = sent(0, ['grpc-timeout', 'soon', 'X-Request-Timeout', 'soon'], trustedClient);
    expect(field(nonsense.fields, 'grpc-timeout')).toEqual(['soon']);
    expect(field(nonsense.fields, 'x-request-timeout')).toEqual([]);
  });

  it('includes retries: each attempt gets what is left', () => {
    const { open, clock } = setUp({
      destination: { timeouts: within(900, { connectMs: 2000, tryMs: 500 }) },
    });
    const exchange = open();
    expect(attempt(exchange.first).timeouts).toEqual({
      connectMs: 900,
      responseHeadMs: 900,
      idleMs: 60_000,
      tryMs: 500,
      totalMs: 900,
    });
    clock.nowMs = 500.4;
    const again = attempt(exchange.failed({ ...reset, code: 'try_timeout' }));
    expect(again.timeouts).toMatchObject({ connectMs: 400, responseHeadMs: 400, tryMs: 400, totalMs: 400 });
    expect(field(again.fields, 'x-request-timeout')).toEqual(['400']);
    clock.nowMs = 900;
    expect(codeOf(exchange.failed(reset))).toBe('deadline_exceeded');
  });

  it('is the cause when another wait ends with it', () => {
    const upstream = new FakeUpstream();
    const { open, clock, records } = setUp({ destination: { upstream, timeouts: within(400) } });
    const exchange = open();
    clock.nowMs = 400;
    expect(codeOf(exchange.failed({ code: 'connect_timeout', sent: 'nothing', connection: 'fresh' }))).toBe(
      'deadline_exceeded',
    );
    exchange.ended();
    expect(upstream.leases[0]?.reports).toEqual([]);
    expect(records[0]).toMatchObject({ status: 504, attempts: [{ error: 'deadline_exceeded' }] });
  });

  it('counts against an instance that had all of the route’s own time, and against no other', () => {
    const over = { code: 'deadline_exceeded', sent: 'head', connection: 'fresh' } as const;
    const reports = (extra: FieldLines, body: 'none' | 'chunked', before?: typeof reset) => {
      const upstream = new FakeUpstream();
      const { open, clock } = setUp({ destination: { upstream, timeouts: within(400) } });
      const exchange = open(head({ method: 'PUT', client: trustedClient, body: { kind: body } }, extra));
      if (before !== undefined) attempt(exchange.failed(before));
      clock.nowMs = 400;
      expect(codeOf(exchange.failed(over))).toBe('deadline_exceeded');
      return upstream.leases.at(-1)?.reports.map(([report]) => report);
    };
    expect(reports([], 'none')).toEqual(['failed']);
    expect(reports(['X-Request-Timeout', '300'], 'none')).toEqual([]);
    expect(reports([], 'chunked')).toEqual([]);
    expect(reports([], 'none', reset)).toEqual([]);
  });

  it('cuts a response that takes too long, which is nobody’s fault for certain', () => {
    const upstream = new FakeUpstream();
    const { open, records } = setUp({ destination: { upstream, timeouts: within(400) } });
    const exchange = open();
    relay(exchange.responded());
    exchange.ended({ kind: 'deadline', requestBytes: 0, responseBytes: 10 });
    expect(records[0]).toMatchObject({ status: 200, error: 'deadline_exceeded', instance: 'a' });
    expect(upstream.leases[0]?.reports).toEqual([]);
    expect(upstream.held).toBe(0);
  });
});
