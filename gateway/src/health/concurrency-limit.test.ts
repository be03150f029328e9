import { expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';

/** Tasks that end when they are told to. */
function tasks() {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  return {
    begun,
    task: (id: number) => () => {
      begun.push(id);
      return new Promise<void>((resolve) => ends.set(id, resolve));
    },
    end: (id: number) => ends.get(id)?.(),
  };
}

it('runs so many at a time, the rest in order', async () => {
  const limit = createConcurrencyLimit(2);
  const { begun, task, end } = tasks();
  for (const id of [1, 2, 3, 4]) void limit.run(task(id));
  expect(begun).toEqual([1, 2]);
  end(2);
  await eventually(() => {
    expect(begun).toEqual([1, 2, 3]);
  });
  end(1);
  await eventually(() => {
    expect(begun).toEqual([1, 2, 3, 4]);
  });
});

it('stops: what waits is dropped, what runs is waited for, nothing begins', async () => {
  const limit = createConcurrencyLimit(1);
  const { begun, task, end } = tasks();
  void limit.run(task(1));
  void limit.run(task(2));
  let phase = 'stopping';
  const stopped = limit.stop().then(() => {
    phase = 'stopped';
  });
  void limit.run(task(3));
  await Promise.resolve();
  expect(phase).toBe('stopping');
  end(1);
  await stopped;
  expect(begun).toEqual([1]);
});

it('begins no more than so many in a turn of the event loop, and goes on in the next', async () => {
  const limit = createConcurrencyLimit(10, 2);
  const { begun, task } = tasks();
  for (const id of [1, 2, 3, 4, 5]) void limit.run(task(id));
  expect(begun).toEqual([1, 2]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual([1, 2, 3, 4]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual([1, 2, 3, 4, 5]);
});

it('settles as its task does, and with undefined for a task that never began', async () => {
  const limit = createConcurrencyLimit(1);
  expect(await limit.run(() => Promise.resolve(7))).toBe(7);
  await expect(limit.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  const { task, end } = tasks();
  const running = limit.run(task(1));
  const dropped = limit.run(() => Promise.resolve(7));
  const stopped = limit.stop();
  expect(await dropped).toBeUndefined();
  expect(await limit.run(() => Promise.resolve(7))).toBeUndefined();
  end(1);
  await Promise.all([running, stopped]);
});
