import { describe, expect, it } from 'vitest';

import {
  ejectionLimit,
  freshHealth,
  observe,
  probation,
  type EjectionPolicy,
  type HealthEvent,
} from './ejection.ts';

const policy: EjectionPolicy = { consecutiveFailures: 3, baseMs: 1000, maxMs: 8000, maxRatio: 0.5 };
const event = (report: HealthEvent['report'], nowMs: number): HealthEvent => ({
  report,
  isLate: false,
  nowMs,
  mayEject: true,
});
const failed = (nowMs: number) => event('failed', nowMs);
const refused = (nowMs: number) => event('connect_failed', nowMs);
const success = (nowMs: number) => event('success', nowMs);

describe('observe', () => {
  it('ejects after the given failures in a row, and a success in between starts the count anew', () => {
    let health = freshHealth(0);
    for (const event of [failed(1), failed(2), success(3), failed(4), failed(5)])
      health = observe(policy, health, event);
    expect(health.state).toBe('healthy');
    expect(observe(policy, health, failed(6))).toEqual({ state: 'ejected', untilMs: 1006, ejections: 1 });
  });

  it('ejects at once when the connection is refused', () => {
    expect(observe(policy, freshHealth(0), refused(5))).toEqual({
      state: 'ejected',
      untilMs: 1005,
      ejections: 1,
    });
  });

  it('doubles the time with each ejection up to the maximum', () => {
    let health = freshHealth(0);
    const lengths: number[] = [];
    for (let nowMs = 0; lengths.length < 6; nowMs += 100_000) {
      health = observe(policy, { state: 'probation', ejections: health.ejections }, refused(nowMs));
      if (health.state === 'ejected') lengths.push(health.untilMs - nowMs);
    }
    expect(lengths).toEqual([1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it('returns to health through one success in probation and forgets old ejections after a long good time', () => {
    const back = observe(policy, { state: 'probation', ejections: 2 }, success(100));
    expect(back).toEqual({ state: 'healthy', failures: 0, ejections: 2, sinceMs: 100 });
    expect(observe(policy, back, success(100 + policy.maxMs + 1))).toMatchObject({ ejections: 0 });
  });

  it('ejects nobody while the upstream has no room, but still counts', () => {
    const health = observe(policy, freshHealth(0), { ...refused(1), mayEject: false });
    expect(health).toMatchObject({ state: 'healthy', failures: 1 });
  });

  it('lets failures of an ejected endpoint not lengthen its time', () => {
    const ejected = observe(policy, freshHealth(0), refused(0));
    expect(observe(policy, ejected, refused(10))).toBe(ejected);
  });

  it('counts gateway errors as failures, other 5xx neither as failures nor as success', () => {
    let health = freshHealth(0);
    for (const report of ['gateway_error', 'server_error', 'gateway_error', 'server_error'] as const)
      health = observe(policy, health, event(report, 1));
    expect(health).toMatchObject({ state: 'healthy', failures: 2 });
    expect(observe(policy, health, event('gateway_error', 2))).toMatchObject({ state: 'ejected' });
  });

  it('ejects again, for longer, what answers any error in probation', () => {
    for (const report of ['server_error', 'gateway_error', 'failed', 'connect_failed'] as const) {
      expect(observe(policy, { state: 'probation', ejections: 1 }, event(report, 100))).toEqual({
        state: 'ejected',
        untilMs: 2100,
        ejections: 2,
      });
    }
  });

  it('takes no news from attempts that began before the ejection', () => {
    const ejected = observe(policy, freshHealth(0), refused(0));
    for (const health of [ejected, probation(ejected), freshHealth(0)]) {
      for (const report of ['success', 'failed', 'connect_failed'] as const)
        expect(observe(policy, health, { ...event(report, 5), isLate: true })).toBe(health);
    }
  });
});

describe('ejectionLimit', () => {
  it('always allows one and never more than the share', () => {
    expect([1, 2, 3, 4, 10].map((endpoints) => ejectionLimit(policy, endpoints))).toEqual([1, 1, 1, 2, 5]);
  });
});
