import type { Instance } from '@roundhouse/agent-sdk/internal';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { defaults } from '../config/defaults.ts';
import type { CheckSettings } from '../config/gateway-config.ts';
import { createChecks, type CheckChange } from './checks.ts';
import type { ProbeQuestion, ProbeResult } from './probe.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { record } from './testing/fake-instance.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const settings: CheckSettings = {
  ...defaults.checks,
  kind: 'http',
  path: '/h',
  intervalMs: 1_000,
  timeoutMs: 500,
};
const a = record(1, { id: 'a' });
const b = record(2, { id: 'b' });
const alive: ProbeResult = { kind: 'alive' };
const dead: ProbeResult = { kind: 'dead', reason: 'connection refused' };

/** Checks over scripted answers: `answers` by instance id, alive where nothing is said. */
function setUp(slots = 64) {
  const answers = new Map<string, ProbeResult | Promise<ProbeResult>>();
  const asked: { id: string; question: ProbeQuestion; signal: AbortSignal }[] = [];
  const told: string[] = [];
  const news: CheckChange[] = [];
  const checks = createChecks({
    probe: ({ id }, question, signal) => {
      asked.push({ id, question, signal });
      return Promise.resolve(answers.get(id) ?? alive);
    },
    limit: createConcurrencyLimit(slots),
    onChange: (row) => news.push(row),
    random: () => 0.5,
  });
  const upstream = {
    checked: (key: string, verdict: string) => {
      told.push(`${key.slice(7, 8)} ${verdict}`);
    },
  };
  const configure = (instances: readonly Instance[], own: Partial<CheckSettings> = {}) => {
    checks.configure({ service: 'api', upstream, instances, checks: { ...settings, ...own } });
  };
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { answers, asked, told, news, checks, configure, pass };
}

describe('checks', () => {
  it('ask every instance at its interval, and tell the upstream what is decided', async () => {
    const { asked, told, news, configure, pass } = setUp();
    configure([a, b]);
    await pass(499);
    expect(asked).toEqual([]);
    await pass(1);
    expect(asked.map((row) => row.id)).toEqual(['a', 'b']);
    expect(asked[0]?.question).toEqual({ kind: 'http', path: '/h', timeoutMs: 500 });
    expect(told).toEqual(['a up', 'b up']);
    await pass(3_000);
    expect(asked).toHaveLength(8);
    expect(told).toHaveLength(2);
    expect(news).toEqual([]);
  });

  it('take out after fall, bring back after rise, and say each once with the reason', async () => {
    const { answers, told, news, checks, configure, pass } = setUp();
    answers.set('a', dead);
    configure([a, b]);
    await pass(2_499);
    expect(told).toEqual(['b up']);
    await pass(1);
    expect(told).toEqual(['b up', 'a down']);
    expect(checks.status('api', 'dc1/n1/a@127.0.0.1:1')).toEqual({
      verdict: 'down',
      reason: 'connection refused',
    });
    await pass(5_000);
    answers.set('a', alive);
    await pass(2_000);
    expect(told).toEqual(['b up', 'a down', 'a up']);
    expect(checks.status('api', 'dc1/n1/a@127.0.0.1:1')).toEqual({ verdict: 'up', reason: '' });
    expect(news.map(({ verdict, reason, instance }) => [instance.id, verdict, reason])).toEqual([
      ['a', 'down', 'connection refused'],
      ['a', 'up', ''],
    ]);
  });

  it('count nothing when a probe says nothing', async () => {
    const { answers, told, configure, pass } = setUp();
    answers.set('a', { kind: 'inconclusive', reason: 'the gateway stalled' });
    configure([a]);
    await pass(20_000);
    expect(told).toEqual([]);
  });

  it('follow instances: newcomers, leavers, and those that drain', async () => {
    const { asked, told, checks, configure, pass } = setUp();
    const draining: Instance = { ...record(3, { id: 'c' }), status: 'draining' };
    configure([a, draining]);
    await pass(500);
    checks.remove('api', a);
    checks.add('api', b);
    configure([b]);
    expect(told).toEqual(['a up', 'a unchecked']);
    await pass(1_500);
    expect(asked.map((row) => row.id)).toEqual(['a', 'b', 'b']);
  });

  it('ask a renewed instance by its newest record', async () => {
    const { asked, checks, configure, pass } = setUp();
    configure([a]);
    checks.renew('api', { ...a, id: 'a2' });
    await pass(500);
    expect(asked.map((row) => row.id)).toEqual(['a2']);
  });

  it('forget what they knew when they are turned off or ask for something else', async () => {
    const { asked, told, checks, configure, pass } = setUp();
    configure([a]);
    await pass(500);
    configure([a], { path: '/other' });
    expect(told).toEqual(['a up', 'a unchecked']);
    await pass(500);
    expect(asked.at(-1)?.question.path).toBe('/other');
    configure([a], { kind: 'off' });
    expect(told).toEqual(['a up', 'a unchecked', 'a up', 'a unchecked']);
    expect(checks.status('api', 'dc1/n1/a@127.0.0.1:1').verdict).toBe('unchecked');
    expect(vi.getTimerCount()).toBe(0);
    configure([a]);
    await pass(500);
    expect(told.at(-1)).toBe('a up');
  });

  it('take a shorter interval at once, and keep what they know', async () => {
    const { asked, told, configure, pass } = setUp();
    configure([a]);
    await pass(500);
    configure([a], { intervalMs: 100, timeoutMs: 50 });
    await pass(50);
    expect(asked).toHaveLength(2);
    await pass(1_000);
    expect(asked).toHaveLength(12);
    expect(told).toEqual(['a up']);
  });

  it('run no more than there are places', async () => {
    const { answers, asked, configure, pass } = setUp(1);
    let answer: (result: ProbeResult) => void = () => undefined;
    answers.set('a', new Promise((resolve) => (answer = resolve)));
    configure([a, b]);
    await pass(5_000);
    expect(asked.map((row) => row.id)).toEqual(['a']);
    answer(alive);
    await pass(0);
    expect(asked.map((row) => row.id)).toEqual(['a', 'b']);
  });

  it('give up what is under way when they stop, and leave no timer', async () => {
    const { answers, asked, told, checks, configure, pass } = setUp();
    let answer: (result: ProbeResult) => void = () => undefined;
    answers.set('a', new Promise((resolve) => (answer = resolve)));
    configure([a, b]);
    await pass(500);
    checks.stop();
    expect(asked[0]?.signal.aborted).toBe(true);
    answer(alive);
    await pass(0);
    expect(told).toEqual(['b up', 'b unchecked']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
