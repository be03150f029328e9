import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { createFaultyConsul, type FaultyConsul } from '../kit/faulty-consul.ts';
import { calm } from './rig/scale.ts';
import type { ChaosLoad } from './rig/load.ts';
import { nothingLost } from './rig/verdict.ts';
import { startWorld, type World } from './rig/world.ts';

/** Reads of the catalog and of services' health: what the gateway follows. */
const reads = /^\/v1\/(?:health\/service|catalog)/;

interface Lie {
  readonly title: string;
  readonly tell: (consul: FaultyConsul, world: World, load: ChaosLoad) => Promise<void>;
}

/** The agent lies in one way for some thousand requests, with its blocked queries cut so that it is asked at once. */
function lies(title: string, set: (consul: FaultyConsul) => unknown): Lie {
  return {
    title,
    tell: async (consul, _world, load) => {
      set(consul);
      consul.dropConnections();
      await load.untilAnswered(calm * 2);
      consul.faults.clear();
      consul.dropConnections();
    },
  };
}

const put = async (url: string): Promise<void> => {
  const response = await fetch(url, { method: 'PUT' });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
};

/** Bigger than a Consul ever answers, and no JSON. */
const hugeBody = 'x'.repeat(50_000_000);

const told: readonly Lie[] = [
  lies('resets every connection', ({ faults }) => faults.set({}, { kind: 'drop', when: 'before' })),
  lies('breaks off in the middle of an answer', ({ faults }) =>
    faults.set({ path: reads }, { kind: 'drop', when: 'middle' }),
  ),
  lies('has no leader: 500 to everything', ({ faults }) =>
    faults.set({}, { kind: 'answer', status: 500, body: 'No cluster leader' }),
  ),
  lies('refuses the token: 403', ({ faults }) =>
    faults.set({ path: reads }, { kind: 'answer', status: 403, body: 'Permission denied' }),
  ),
  lies('wants less: 429', ({ faults }) =>
    faults.set(
      { path: reads },
      { kind: 'answer', status: 429, body: 'Your IP is issuing too many requests' },
    ),
  ),
  lies('answers empty lists', ({ faults }) => faults.set({ path: reads }, { kind: 'empty' })),
  {
    title: 'answers 500, then an empty list, then the truth',
    tell: async (consul, _world, load) => {
      const off = consul.faults.set(
        { path: reads },
        { kind: 'answer', status: 500, body: 'No cluster leader' },
      );
      consul.dropConnections();
      await load.untilAnswered(calm / 2);
      consul.faults.set({ path: reads }, { kind: 'empty' });
      off();
      await load.untilAnswered(calm);
      consul.faults.clear();
      consul.dropConnections();
    },
  },
  lies('accepts and says nothing', ({ faults }) => faults.set({}, { kind: 'black_hole' })),
  lies('is slow', ({ faults }) => faults.set({}, { kind: 'delay', delayMs: 2_000 })),
  lies('sends its answers byte by byte', ({ faults }) =>
    faults.set({ path: reads }, { kind: 'dribble', bytes: 1, everyMs: 50 }),
  ),
  lies('sends half a JSON', ({ faults }) => faults.set({ path: reads }, { kind: 'truncate' })),
  lies('sends 50 MB of nothing', ({ faults }) =>
    faults.set({ path: reads }, { kind: 'answer', status: 200, body: hugeBody }),
  ),
  lies('answers with another type', ({ faults }) =>
    faults.set({ path: reads }, { kind: 'answer', status: 200, body: '{"api-service":7}' }),
  ),
  {
    title: 'plays with its index: low, none, negative, a word, beyond 2^53, missing',
    tell: async (consul, _world, load) => {
      for (const index of ['1', '0', '-5', 'many', '99999999999999999999', undefined]) {
        consul.faults.clear();
        consul.faults.set({ path: reads }, { kind: 'index', rewrite: () => index });
        consul.dropConnections();
        const asked = consul.stats().requests;
        await load.untilAnswered(calm);
        // Three heartbeats apart, every watch asks a few times, and none spins.
        expect(consul.stats().requests - asked).toBeLessThan(60);
      }
      consul.faults.clear();
      consul.dropConnections();
    },
  },
  {
    title: 'loses everything, and its index begins anew',
    tell: async (consul, _world, load) => {
      consul.reset();
      await load.untilAnswered(calm * 2);
    },
  },
  {
    title: 'is told to deregister every instance, though all of them live',
    tell: async (_consul, world, load) => {
      await Promise.all(
        world.living().map(({ id }) => put(`${world.consul}/v1/agent/service/deregister/${id}`)),
      );
      await load.untilAnswered(calm * 2);
    },
  },
  {
    title: 'calls every instance critical at once',
    tell: async (_consul, world, load) => {
      const to = (enable: boolean): Promise<unknown> =>
        Promise.all(
          world
            .living()
            .map(({ id }) =>
              put(`${world.consul}/v1/agent/check/${enable ? 'fail' : 'pass'}/service:${id}:ttl`),
            ),
        );
      await to(true);
      await load.untilAnswered(calm * 2);
      await to(false);
    },
  },
];

const consul = createFaultyConsul();
let world: World;

beforeAll(async () => {
  const { port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  world = await startWorld({ consul: `http://127.0.0.1:${port}` });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await consul.stop();
});

/** Until every living instance is in the registry: what one lie made it forget comes back with the next heartbeats. */
async function untilRegistered(): Promise<void> {
  await eventually(async () => {
    const services = (await (await fetch(`${world.consul}/v1/agent/services`)).json()) as object;
    for (const { id } of world.living()) expect(Object.keys(services)).toContain(id);
  }, 20_000);
}

it.each(told)('a registry that $title: nothing is lost, and it is followed again', async ({ tell }) => {
  await untilRegistered();
  await using load = await world.startLoad();
  await load.untilAnswered(calm / 2);
  await tell(consul, world, load);
  // Following again shows in what it does: a new instance gets its share, and all the others still have theirs.
  const fourth = await world.startOrigin();
  const all = [...world.living()];
  await load.untilShares((share) => all.every(({ id }) => share(id) > 0.15), { deadlineMs: 45_000 });
  expect(await fourth.process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  const { verdict } = await world.finish(load);
  expect(verdict).toEqual(nothingLost);
});

it('leaves nothing behind in the gateway', async () => {
  await world.untilQuiet();
});
