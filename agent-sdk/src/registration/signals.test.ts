import { EventEmitter } from 'node:events';

import { describe, expect, it } from 'vitest';

import { systemClock } from './clock.ts';
import { createExitGuard, type ExitReason, type ProcessLike, type ShutdownHook } from './signals.ts';

function fakeProcess() {
  const exits: number[] = [];
  const target = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) });
  return {
    target: target as ProcessLike,
    exits,
    heard: () => target.eventNames(),
    emit: (event: string, value: unknown) => target.emit(event, value),
    /** As Node does: the monitor hears of it first. Returns whether anything handled it. */
    fail: (error: Error) => {
      target.emit('uncaughtExceptionMonitor', error);
      return target.emit('uncaughtException', error);
    },
  };
}

/** A hook, the reasons it was called with, and what ends its stop. */
function service() {
  const reasons: ExitReason[] = [];
  let end: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (end = resolve));
  const hook: ShutdownHook = (reason) => {
    reasons.push(reason);
    return stopped;
  };
  return { reasons, end, hook };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('exit guard', () => {
  it('runs every hook on SIGTERM and exits with 0 when the last one has ended', async () => {
    const { target, exits, emit } = fakeProcess();
    const guard = createExitGuard(target);
    const [one, two] = [service(), service()];
    const release = guard.add(one.hook);
    guard.add(two.hook);
    emit('SIGTERM', 'SIGTERM');
    one.end();
    release();
    await settle();
    expect(exits).toEqual([]);
    two.end();
    await settle();
    expect(exits).toEqual([0]);
    expect([one.reasons.length, two.reasons.length]).toEqual([1, 1]);
  });

  it('takes repeats within a second for one intention, and exits at once on a later signal', () => {
    const { target, exits, emit } = fakeProcess();
    let nowMs = 5_000;
    const one = service();
    createExitGuard(target, { ...systemClock, nowMs: () => nowMs }).add(one.hook);
    emit('SIGINT', 'SIGINT');
    emit('SIGINT', 'SIGINT');
    nowMs += 1_000;
    emit('SIGTERM', 'SIGTERM');
    expect(exits).toEqual([]);
    nowMs += 1;
    emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
    expect(one.reasons.map((reason) => reason.kind)).toEqual(['signal', 'cut']);
  });

  it('takes the signal that a framework sends once more at the end of its own shutdown for the same intention', async () => {
    const { target, exits, emit } = fakeProcess();
    let nowMs = 0;
    const one = service();
    const own = () => undefined;
    target.on('SIGTERM', own);
    target.once('SIGTERM', () => undefined);
    createExitGuard(target, { ...systemClock, nowMs: () => nowMs }).add(one.hook);
    emit('SIGTERM', 'SIGTERM');
    await settle();
    nowMs += 5_000;
    target.off('SIGTERM', own);
    emit('SIGTERM', 'SIGTERM');
    expect(exits).toEqual([]);
    one.end();
    await settle();
    expect(exits).toEqual([0]);
    expect(one.reasons).toHaveLength(1);
  });

  it('waits a little for a shutdown of the program’s own, and no longer than it takes', async () => {
    for (const ends of ['by passing the signal on', 'never']) {
      const { target, exits, emit } = fakeProcess();
      let fire = () => undefined as unknown;
      const clock = {
        ...systemClock,
        setTimer: (_delayMs: number, callback: () => void) => {
          fire = callback;
          return () => undefined;
        },
      };
      const one = service();
      const own = () => undefined;
      target.on('SIGTERM', own);
      createExitGuard(target, clock).add(one.hook);
      emit('SIGTERM', 'SIGTERM');
      one.end();
      await settle();
      expect(exits, ends).toEqual([]);
      if (ends === 'never') {
        fire();
      } else {
        target.off('SIGTERM', own);
        emit('SIGTERM', 'SIGTERM');
      }
      expect(exits, ends).toEqual([0]);
    }
  });

  it('exits at once when a signal comes long after a fatal error began the stop', () => {
    const { target, exits, emit, fail } = fakeProcess();
    let nowMs = 0;
    createExitGuard(target, { ...systemClock, nowMs: () => nowMs }).add(service().hook);
    fail(new Error('first'));
    nowMs += 5_000;
    emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });

  it('exits with 1 after a fatal error, also one that comes during a stop', async () => {
    const { target, exits, emit, fail } = fakeProcess();
    const one = service();
    createExitGuard(target).add(one.hook);
    emit('SIGTERM', 'SIGTERM');
    fail(new Error('boom'));
    one.end();
    await settle();
    expect(exits).toEqual([1]);
    expect(one.reasons.map((reason) => reason.kind)).toEqual(['signal', 'fatal']);
  });

  it('leaves a fatal error to the program when that listens to it', async () => {
    const { target, exits, fail } = fakeProcess();
    const one = service();
    const heard: Error[] = [];
    target.on('uncaughtException', (error: Error) => heard.push(error));
    createExitGuard(target).add(one.hook);
    expect(fail(new Error('boom'))).toBe(true);
    await settle();
    expect([heard.length, one.reasons.length, exits.length]).toEqual([1, 0, 0]);
  });

  it('stops and exits with 0 when the parent that held it is gone', async () => {
    const { target, exits, emit } = fakeProcess();
    const one = service();
    createExitGuard(target).add(one.hook);
    emit('disconnect', undefined);
    one.end();
    await settle();
    expect(exits).toEqual([0]);
    expect(one.reasons).toEqual([{ kind: 'disconnect' }]);
  });

  it('runs a hook that comes while others run, and waits for it', async () => {
    const { target, exits, emit } = fakeProcess();
    const guard = createExitGuard(target);
    const [first, late] = [service(), service()];
    guard.add(first.hook);
    emit('SIGTERM', 'SIGTERM');
    guard.add(late.hook);
    expect(late.reasons).toEqual([{ kind: 'signal', signal: 'SIGTERM' }]);
    first.end();
    await settle();
    expect(exits).toEqual([]);
    late.end();
    await settle();
    expect(exits).toEqual([0]);
  });

  it('listens to nothing without hooks', () => {
    const { target, heard } = fakeProcess();
    const guard = createExitGuard(target);
    expect(heard()).toEqual([]);
    const [a, b] = [guard.add(service().hook), guard.add(service().hook)];
    expect(heard()).toHaveLength(4);
    a();
    a();
    expect(heard()).toHaveLength(4);
    b();
    expect(heard()).toEqual([]);
  });
});
