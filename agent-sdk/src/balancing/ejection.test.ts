import { describe, expect, it } from 'vitest';

import { admission, ejectionLimit, freshHealth, observe, type EjectionPolicy } from './ejection.ts';

const policy: EjectionPolicy = { consecutiveFailures: 3, baseMs: 1000, maxMs: 8000, maxRatio: 0.5 };
const failed = (nowMs: number) => ({ report: 'failed', nowMs, room: 'free' }) as const;
const refused = (nowMs: number) => ({ report: 'connect_failed', nowMs, room: 'free' }) as const;
const success = (nowMs: number) => ({ report: 'success', nowMs, room: 'free' }) as const;

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
    const health = observe(policy, freshHealth(0), { report: 'connect_failed', nowMs: 1, room: 'full' });
    expect(health).toMatchObject({ state: 'healthy', failures: 1 });
  });

  it('lets late failures of an ejected endpoint not lengthen its time', () => {
    const ejected = observe(policy, freshHealth(0), refused(0));
    expect(observe(policy, ejected, refused(10))).toBe(ejected);
  });
});

describe('admission', () => {
  it('closes while ejected, then lets probes in', () => {
    const ejected = observe(policy, freshHealth(0), refused(0));
    expect([admission(ejected, 999), admission(ejected, 1000), admission(freshHealth(0), 0)]).toEqual([
      'closed',
      'probe',
      'open',
    ]);
  });
});

describe('ejectionLimit', () => {
  it('always allows one and never more than the share', () => {
    expect([1, 2, 3, 4, 10].map((endpoints) => ejectionLimit(policy, endpoints))).toEqual([1, 1, 1, 2, 5]);
  });
});
