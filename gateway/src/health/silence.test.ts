import type { Endpoint, Instance, SilenceNews, Upstream } from '@roundhouse/agent-sdk/internal';
import { expect, it, onTestFinished } from 'vitest';

import { endpointAt } from '../../../test/kit/builders.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import type { ProbeQuestion, ProbeResult } from './probe.ts';
import { createSilenceQuestions } from './silence.ts';

/** The questions of one upstream whose looks and answers the test makes. */
function setUp({ atATime = 64, checkPath }: { readonly atATime?: number; readonly checkPath?: string } = {}) {
  const open: {
    readonly instance: Instance;
    readonly question: ProbeQuestion;
    readonly answer: (result: ProbeResult) => void;
  }[] = [];
  const told: (readonly [string, boolean])[] = [];
  const left: Endpoint[] = [];
  const limit = createConcurrencyLimit(atATime);
  let news: readonly SilenceNews[] = [];
  const upstream = {
    service: 'api',
    endpoints: [endpointAt(1)],
    look: () => news,
    answered: (endpoint: Endpoint, lives: boolean) => {
      told.push([endpoint.instance.id, lives]);
      Object.assign(endpoint, { silence: lives ? 'none' : 'silent' });
    },
  };
  const silence = createSilenceQuestions({
    checkPath: () => checkPath,
    probe: (instance, question, signal) =>
      new Promise((resolve) => {
        open.push({ instance, question, answer: resolve });
        signal.addEventListener('abort', () => {
          resolve({ kind: 'inconclusive', reason: 'cancelled' });
        });
      }),
    limit,
    leave: (endpoint) => left.push(endpoint),
  });
  silence.watch(upstream as unknown as Upstream);
  onTestFinished(async () => {
    silence.stop();
    await limit.stop();
  });
  const look = (...found: readonly (readonly [Endpoint, SilenceNews['does']])[]): void => {
    news = found.map(([endpoint, does]) => ({ endpoint, does }));
    silence.look();
  };
  const answer = async (at: number, result: ProbeResult): Promise<void> => {
    open[at]!.answer(result);
    // The promises between the probe and the upstream.
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  return { open, told, left, look, answer, silence, upstream };
}

const dead: ProbeResult = { kind: 'dead', reason: 'no answer' };

it('asks what a look calls for, once at a time, and tells what came of it', async () => {
  const { open, told, left, look, answer } = setUp();
  const [a, b] = [endpointAt(1), endpointAt(2)];
  look([a, 'ask'], [b, 'ask']);
  look([a, 'ask']);
  expect(open.map(({ instance }) => instance.id)).toEqual(['i1', 'i2']);
  expect(open[0]?.question).toEqual({ kind: 'life', path: '*', timeoutMs: 750 });
  await answer(0, { kind: 'alive' });
  await answer(1, dead);
  expect(told).toEqual([
    ['i1', true],
    ['i2', false],
  ]);
  // What waits for it goes elsewhere at once, not only at the next look.
  expect(left).toEqual([b]);
  look([b, 'leave'], [b, 'ask']);
  expect(left).toEqual([b, b]);
  expect(open).toHaveLength(3);
});

it('asks for the path of the checks where the service has one', () => {
  const { open, look } = setUp({ checkPath: '/healthz' });
  look([endpointAt(1), 'ask']);
  expect(open[0]?.question.path).toBe('/healthz');
});

it('takes no answer for none when the gateway itself has stalled or run out of something, and asks again', async () => {
  const { open, told, look, answer } = setUp();
  const endpoint = endpointAt(1);
  look([endpoint, 'ask']);
  await answer(0, { kind: 'inconclusive', reason: 'the gateway stalled' });
  expect(told).toEqual([]);
  look([endpoint, 'ask']);
  expect(open).toHaveLength(2);
});

it('has a bounded number of questions open, whatever there is to ask', async () => {
  const { open, look, answer } = setUp({ atATime: 2 });
  look(...Array.from({ length: 50 }, (_, port) => [endpointAt(port), 'ask'] as const));
  expect(open).toHaveLength(2);
  await answer(0, dead);
  expect(open).toHaveLength(3);
});

it('forgets an upstream without endpoints, and cancels what is open at the end', async () => {
  const { open, look, silence, upstream, told } = setUp();
  look([endpointAt(1), 'ask']);
  upstream.endpoints = [];
  look();
  upstream.endpoints = [endpointAt(1)];
  look([endpointAt(2), 'ask']);
  expect(open).toHaveLength(1);
  silence.stop();
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  expect(told).toEqual([]);
});
