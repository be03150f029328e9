import { describe, expect, it } from 'vitest';

import { createExitGuard, type ExitReason, type ProcessLike } from './signals.ts';

function fakeProcess() {
  const listeners = new Map<string, (value: never) => void>();
  const exits: number[] = [];
  const target: ProcessLike = {
    on: (event: string, listener: (value: never) => void) => listeners.set(event, listener),
    off: (event: string) => listeners.delete(event),
    exit: (code) => exits.push(code),
  };
  return {
    target,
    exits,
    listeners,
    emit: (event: string, value: unknown) => listeners.get(event)?.(value as never),
  };
}

function member() {
  const reasons: ExitReason[] = [];
  let end: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (end = resolve));
  let stops = 0;
  return {
    reasons,
    end,
    stops: () => stops,
    stop: () => {
      stops += 1;
      return stopped;
    },
    announce: (reason: ExitReason) => reasons.push(reason),
  };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('exit guard', () => {
  it('stops every member on SIGTERM and exits with 0 when the last one has stopped', async () => {
    const { target, exits, emit } = fakeProcess();
    const guard = createExitGuard(target);
    const [one, two] = [member(), member()];
    const release = guard.add(one);
    guard.add(two);
    emit('SIGTERM', 'SIGTERM');
    one.end();
    release();
    await settle();
    expect(exits).toEqual([]);
    two.end();
    await settle();
    expect(exits).toEqual([0]);
    expect([one.stops(), two.stops()]).toEqual([1, 1]);
  });

  it('exits at once on a second signal', () => {
    const { target, exits, emit } = fakeProcess();
    createExitGuard(target).add(member());
    emit('SIGINT', 'SIGINT');
    emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });

  it('exits with 1 after a fatal error, also one that comes during a stop', async () => {
    const { target, exits, emit } = fakeProcess();
    const one = member();
    createExitGuard(target).add(one);
    emit('SIGTERM', 'SIGTERM');
    emit('uncaughtException', new Error('boom'));
    one.end();
    await settle();
    expect(exits).toEqual([1]);
    expect(one.reasons.map((reason) => reason.kind)).toEqual(['signal', 'fatal']);
    expect(one.stops()).toBe(1);
  });

  it('stops and exits with 0 when the parent that held it is gone', async () => {
    const { target, exits, emit } = fakeProcess();
    const one = member();
    createExitGuard(target).add(one);
    emit('disconnect', undefined);
    one.end();
    await settle();
    expect(exits).toEqual([0]);
    expect(one.reasons).toEqual([{ kind: 'disconnect' }]);
  });

  it('stops a member that comes while others stop, and waits for it', async () => {
    const { target, exits, emit } = fakeProcess();
    const guard = createExitGuard(target);
    const [first, late] = [member(), member()];
    guard.add(first);
    emit('SIGTERM', 'SIGTERM');
    guard.add(late);
    expect(late.stops()).toBe(1);
    expect(late.reasons).toEqual([{ kind: 'signal', signal: 'SIGTERM' }]);
    first.end();
    await settle();
    expect(exits).toEqual([]);
    late.end();
    await settle();
    expect(exits).toEqual([0]);
  });

  it('listens to nothing without members', () => {
    const { target, listeners } = fakeProcess();
    const guard = createExitGuard(target);
    expect(listeners.size).toBe(0);
    const [a, b] = [guard.add(member()), guard.add(member())];
    expect(listeners.size).toBe(4);
    a();
    a();
    expect(listeners.size).toBe(4);
    b();
    expect(listeners.size).toBe(0);
  });
});
