import { expect, it } from 'vitest';

import { Notices } from './notices.ts';
import { ReadWait } from './read-wait.ts';
import { RegistryError } from './registry-client.ts';

function world() {
  const clock = { nowMs: 0 };
  const notices = new Notices();
  const wait = new ReadWait(60_000, () => clock.nowMs, notices);
  const fails = (elapsedMs: number, error: RegistryError): boolean => {
    clock.nowMs += elapsedMs;
    return wait.failed(error, elapsedMs);
  };
  return { clock, notices, wait, fails };
}

const broken = new RegistryError('unreachable', 'broken');

it('waits less after a read that a balancer cut, says so once, and tries again after an hour', () => {
  const { clock, notices, wait, fails } = world();
  expect(fails(10_000, new RegistryError('unavailable', 'time-out', { status: 504 }))).toBe(true);
  expect(wait.waitMs).toBe(8_000);
  expect(notices.current).toMatchObject([{ kind: 'cut_reads' }]);
  clock.nowMs += 3_600_000;
  expect(wait.waitMs).toBe(60_000);
  expect(notices.current).toEqual([]);
});

it('learns from connections that break after the same time, and not from those that break together', () => {
  const { wait, fails } = world();
  expect(fails(30_000, broken)).toBe(true);
  expect(fails(0, broken)).toBe(false);
  expect(wait.waitMs).toBe(60_000);
  expect(fails(29_500, broken)).toBe(true);
  expect(wait.waitMs).toBe(23_600);
});

it('leaves failures alone that have nothing to do with the length of a read', () => {
  const { wait, fails } = world();
  expect(fails(30_000, new RegistryError('unavailable', 'no leader', { status: 500 }))).toBe(false);
  expect(fails(500, new RegistryError('unavailable', 'time-out', { status: 504 }))).toBe(false);
  expect(wait.waitMs).toBe(60_000);
});
