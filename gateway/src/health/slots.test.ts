import { expect, it } from 'vitest';

import { eventually } from '../../../test/support/eventually.ts';
import { createSlots } from './slots.ts';

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
  const slots = createSlots(2);
  const { begun, task, end } = tasks();
  for (const id of [1, 2, 3, 4]) slots.take(task(id));
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
  const slots = createSlots(1);
  const { begun, task, end } = tasks();
  slots.take(task(1));
  slots.take(task(2));
  let phase = 'stopping';
  const stopped = slots.stop().then(() => {
    phase = 'stopped';
  });
  slots.take(task(3));
  await Promise.resolve();
  expect(phase).toBe('stopping');
  end(1);
  await stopped;
  expect(begun).toEqual([1]);
});

it('begins no more than so many in a turn of the event loop, and goes on in the next', async () => {
  const slots = createSlots(10, 2);
  const { begun, task } = tasks();
  for (const id of [1, 2, 3, 4, 5]) slots.take(task(id));
  expect(begun).toEqual([1, 2]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual([1, 2, 3, 4]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual([1, 2, 3, 4, 5]);
});
