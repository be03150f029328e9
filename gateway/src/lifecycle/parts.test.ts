import { expect, it } from 'vitest';

import { createParts, type Part, type Parts } from './parts.ts';

/** Parts that write what happens to them, and in which phase, into one list. */
function world() {
  const happened: string[] = [];
  const faults: unknown[] = [];
  const parts: Parts = createParts((part, error) => faults.push([part, error]));
  const part = (name: string, failing?: 'start' | 'stop'): Part<string> => {
    const step = async (what: 'start' | 'stop'): Promise<void> => {
      await Promise.resolve();
      happened.push(`${what} ${name} (${parts.phase})`);
      if (failing === what) throw new Error(name);
    };
    return { name, start: () => step('start').then(() => name), stop: () => step('stop') };
  };
  return { parts, part, happened, faults };
}

it('starts parts in order, hands out what they start with, and stops them in reverse', async () => {
  const { parts, part, happened } = world();
  expect(await parts.start(part('a'))).toBe('a');
  expect(await parts.start(part('b'))).toBe('b');
  parts.started();
  expect(parts.phase).toBe('serving');
  await parts.stop();
  expect(happened).toEqual([
    'start a (starting)',
    'start b (starting)',
    'stop b (draining)',
    'stop a (draining)',
  ]);
});

it('stops what was started when a part can not start, and rejects with its error', async () => {
  const { parts, part, happened } = world();
  await parts.start(part('a'));
  await parts.start(part('b'));
  await expect(parts.start(part('c', 'start'))).rejects.toThrow('c');
  expect(happened.slice(2)).toEqual(['start c (starting)', 'stop b (draining)', 'stop a (draining)']);
  await parts.stop();
  expect(happened).toHaveLength(5);
});

it('stops once, however often it is asked', async () => {
  const { parts, part, happened } = world();
  await parts.start(part('a'));
  expect(parts.stop()).toBe(parts.stop());
  await parts.stop();
  expect(happened).toEqual(['start a (starting)', 'stop a (draining)']);
});

it('stops the others when one part fails to, and reports it', async () => {
  const { parts, part, happened, faults } = world();
  for (const one of [part('a'), part('b', 'stop'), part('c')]) await parts.start(one);
  await parts.stop();
  expect(happened.slice(3)).toEqual(['stop c (draining)', 'stop b (draining)', 'stop a (draining)']);
  expect(faults).toEqual([['b', new Error('b')]]);
});
