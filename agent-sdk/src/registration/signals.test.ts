import { describe, expect, it } from 'vitest';

import { createExitGuard, type ExitReason, type ProcessLike, type ShutdownHook } from './signals.ts';

function fakeProcess() {
  const listeners = new Map<string, (value: never) => void>();
  const exits: number[] = [];
  const target = {
    on: (event: string, listener: (value: never) => void) => listeners.set(event, listener),
    off: (event: string) => listeners.delete(event),
    exit: (code: number) => exits.push(code),
  } as unknown as ProcessLike;
  return {
    target,
    exits,
    listeners,
    emit: (event: string, value: unknown) => listeners.get(event)?.(value as never),
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
    createExitGuard(target, () => nowMs).add(one.hook);
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

  it('exits at once when a signal comes long after a fatal error began the stop', () => {
    const { target, exits, emit } = fakeProcess();
    let nowMs = 0;
    createExitGuard(target, () => nowMs).add(service().hook);
    emit('uncaughtException', new Error('first'));
    nowMs += 5_000;
    emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });

  it('exits with 1 after a fatal error, also one that comes during a stop', async () => {
    const { target, exits, emit } = fakeProcess();
    const one = service();
    createExitGuard(target).add(one.hook);
    emit('SIGTERM', 'SIGTERM');
    emit('uncaughtException', new Error('boom'));
    one.end();
    await settle();
    expect(exits).toEqual([1]);
    expect(one.reasons.map((reason) => reason.kind)).toEqual(['signal', 'fatal']);
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
    const { target, listeners } = fakeProcess();
    const guard = createExitGuard(target);
    expect(listeners.size).toBe(0);
    const [a, b] = [guard.add(service().hook), guard.add(service().hook)];
    expect(listeners.size).toBe(4);
    a();
    a();
    expect(listeners.size).toBe(4);
    b();
    expect(listeners.size).toBe(0);
  });
});
