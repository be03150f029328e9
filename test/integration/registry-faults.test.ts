import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { ServiceView } from '../../gateway/src/registry/services/service-runtime.ts';
import { loadSavedTable } from '../../gateway/src/registry/persistence/saved-table.ts';
import { eventually } from '../kit/eventually.ts';
import type { FaultyConsul } from '../kit/faulty-consul.ts';
import { get } from '../kit/load.ts';
import { startTestGateway, type TestConfig, type TestGateway, type TestStart } from '../kit/start-gateway.ts';

/**
 * What a registry can do wrong, by the numbers of docs/reliability.md, through a whole gateway: requests go on all the while, each with a
 * key that its answer has to bear, and none may fail.
 */

/** An instance that answers with the key that it is asked for. */
async function origin(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    response.end(new URL(request.url ?? '/', 'http://host').searchParams.get('key') ?? 'no key');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, close };
}

/** Registers through the agent's API; passing at once. */
async function register(
  consulUrl: string,
  service: string,
  id: string,
  port: number,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const body = { Name: service, ID: id, Address: '127.0.0.1', Port: port, ...more };
  const response = await fetch(`${consulUrl}/v1/agent/service/register`, {
    method: 'PUT',
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

async function start(config: TestConfig = {}, around: TestStart = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(config, around);
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

/** A gateway with three instances of `api-service`, `a`, `b` and `c`, that serves. */
async function startWorld(config: TestConfig = {}, around: TestStart = {}) {
  const origins = await Promise.all([origin(), origin(), origin()]);
  const world = await start(config, around);
  const ids = ['a', 'b', 'c'] as const;
  const registerAll = (): Promise<unknown> =>
    Promise.all(ids.map((id, index) => register(world.consulUrl, 'api-service', id, origins[index]!.port)));
  await registerAll();
  await eventually(() => {
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
    expect(world.gateway.registry.catalog.kind).toBe('live');
  });
  return { ...world, origins, registerAll };
}

type World = Awaited<ReturnType<typeof startWorld>>;

const view = (world: TestGateway, service = 'api-service'): ServiceView =>
  world.gateway.registry.service(service)!;

const idsOf = (world: TestGateway, service = 'api-service'): readonly string[] =>
  view(world, service).snapshot?.instances.map(({ id }) => id) ?? [];

const heldIn = (world: TestGateway): readonly string[] => view(world).held.map(({ instance }) => instance.id);

/** Requests with a key each, a few at a time, until it is stopped. */
function startKeyed(url: string) {
  const agent = new http.Agent({ keepAlive: true });
  const failures: string[] = [];
  let answered = 0;
  let phase: 'running' | 'stopping' = 'running';
  const isRunning = (): boolean => phase === 'running';
  const workers = Array.from({ length: 4 }, async (_, worker) => {
    for (let count = 0; isRunning(); count += 1) {
      const key = `${worker}-${count}`;
      try {
        const { status, body } = await get(`${url}/api?key=${key}`, agent);
        if (status !== 200 || body !== key) failures.push(`${key}: ${status} ${body.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${key}: ${String(error)}`);
      }
      answered += 1;
      // Two hundred a second or so: the tests of a laptop run beside this.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const stop = async (): Promise<void> => {
    phase = 'stopping';
    await Promise.all(workers);
    agent.destroy();
  };
  return {
    failures,
    /** So many more answers have come. */
    async more(count: number) {
      const until = answered + count;
      await eventually(() => {
        expect(answered).toBeGreaterThanOrEqual(until);
      }, 20_000);
    },
    stop,
  };
}

/** Runs something under load; not one request may fail. */
async function nothingFails(world: TestGateway, act: (load: ReturnType<typeof startKeyed>) => Promise<void>) {
  const load = startKeyed(world.url);
  try {
    await load.more(20);
    await act(load);
    await load.more(20);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
}

const state = (world: TestGateway): string => view(world).watch.kind;

const untilState = (world: TestGateway, kind: string, withinMs = 10_000): Promise<void> =>
  eventually(() => {
    expect([state(world), world.gateway.registry.catalog.kind]).toEqual([kind, kind]);
  }, withinMs);

/**
 * The agent lies in its next answer, in quiet times: a read that blocks already keeps to the truth, so the lie is told to the one
 * after it. An instance `w` comes along, at the address of `a`.
 */
async function lieInQuietTimes(world: World, lie: () => void): Promise<void> {
  const watches = 3;
  const [w, x] = await Promise.all([origin(), origin()]);
  await eventually(() => {
    expect(world.consul.stats().blockedQueries).toBe(watches);
  });
  lie();
  await register(world.consulUrl, 'api-service', 'w', w.port);
  await eventually(() => {
    expect(idsOf(world)).toContain('w');
  });
  await register(world.consulUrl, 'api-service', 'x', x.port);
}

const healthReads = /^\/v1\/health\/service\/api-service/;
const reads = /^\/v1\/(?:health\/service|catalog)/;

const logOf = (world: TestGateway): readonly { level: string; msg: string }[] =>
  world
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; msg: string });

describe('C1: Consul is down at the boot', () => {
  it('listens, is alive and not ready, and serves within two seconds of its coming', async () => {
    const { port } = await origin();
    const down: { consul?: FaultyConsul } = {};
    const world = await start(
      {},
      {
        prepare: async (consul, url) => {
          await register(url, 'api-service', 'a', port);
          down.consul = consul;
          // Asked, and never answered: a stopped agent could not count how often.
          consul.faults.set({}, { kind: 'drop', when: 'before' });
        },
      },
    );
    expect((await get(`${world.adminUrl}/livez`)).status).toBe(200);
    expect((await get(`${world.adminUrl}/readyz`)).status).toBe(503);
    expect((await get(`${world.url}/api`)).status).toBe(503);
    // Long enough for the pauses to have grown.
    await eventually(() => {
      expect(down.consul!.stats().requests).toBeGreaterThan(15);
    }, 20_000);
    down.consul!.faults.clear();
    const cameMs = performance.now();
    await eventually(async () => {
      expect((await get(`${world.url}/api?key=x`)).body).toBe('x');
    });
    expect(performance.now() - cameMs).toBeLessThan(2_000);
    await eventually(async () => {
      expect((await get(`${world.adminUrl}/readyz`)).status).toBe(200);
    });
  });

  it('serves from the saved table, marked stale, and loses nothing when Consul comes back empty', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'saved-table-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const savedTable = join(folder, 'table.json');
    const shop = await origin();
    const first = await startWorld({ savedTable });
    await register(first.consulUrl, 'shop', 's', shop.port, { Tags: ['urlprefix-/shop'] });
    await eventually(async () => {
      expect((await get(`${first.url}/shop?key=x`)).body).toBe('x');
    });
    await first.gateway.stop();
    expect(await loadSavedTable(savedTable)).toMatchObject({ kind: 'table', leftOut: 0 });

    let address = { host: '127.0.0.1', port: 0 };
    const second = await start(
      { savedTable },
      {
        prepare: async (consul, url) => {
          address = { host: '127.0.0.1', port: Number(new URL(url).port) };
          await consul.stop();
        },
      },
    );
    expect(idsOf(second)).toEqual(['a', 'b', 'c']);
    expect(state(second)).toBe('stale');
    expect((await get(`${second.url}/shop?key=y`)).body).toBe('y');
    expect((await get(`${second.adminUrl}/readyz`)).status).toBe(200);
    expect(logOf(second).some(({ level, msg }) => level === 'warn' && msg.includes('saved'))).toBe(true);

    await nothingFails(second, async (load) => {
      await second.consul.listen(address);
      await eventually(() => {
        expect(heldIn(second)).toEqual(['a', 'b', 'c']);
      }, 10_000);
      await load.more(50);
      await Promise.all(
        ['a', 'b', 'c'].map((id, index) =>
          register(second.consulUrl, 'api-service', id, first.origins[index]!.port),
        ),
      );
      await eventually(() => {
        expect(heldIn(second)).toEqual([]);
      });
    });
    expect(idsOf(second)).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['cut off', '{"version":1,'],
    ['of another kind', '[]'],
    ['empty', ''],
  ])('starts all the same when the saved table is %s, and says so', async (_title, text) => {
    const folder = await mkdtemp(join(tmpdir(), 'saved-table-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const savedTable = join(folder, 'table.json');
    await writeFile(savedTable, text);
    const world = await start({ savedTable }, { prepare: (consul) => consul.stop() });
    expect((await get(`${world.url}/api`)).status).toBe(503);
    expect(logOf(world).some(({ level, msg }) => level === 'warn' && msg.includes(savedTable))).toBe(true);
  });
});

describe('C2, C3: Consul goes away', () => {
  it('C2: serves on, shows the age, and notices within two seconds that it is back', async () => {
    const world = await startWorld();
    const port = Number(new URL(world.consulUrl).port);
    await nothingFails(world, async (load) => {
      await world.consul.stop();
      await untilState(world, 'stale');
      await load.more(300);
      const { body } = await get(`${world.adminUrl}/api/services/api-service`);
      expect((JSON.parse(body) as { ageMs: number }).ageMs).toBeGreaterThan(1_000);
      await world.consul.listen({ host: '127.0.0.1', port });
      const backMs = performance.now();
      await untilState(world, 'live');
      expect(performance.now() - backMs).toBeLessThan(2_000);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });

  it('C3: flaps, with no change of the table, few calls, and one line for each change of state', async () => {
    const world = await startWorld();
    const cycles = 6;
    const linesBefore = logOf(world).length;
    const callsBefore = world.consul.stats().requests;
    const startedMs = performance.now();
    await nothingFails(world, async () => {
      for (let cycle = 0; cycle < cycles; cycle += 1) {
        const heal = world.consul.faults.set({}, { kind: 'drop', when: 'before' });
        world.consul.dropConnections();
        await untilState(world, 'stale');
        heal();
        await untilState(world, 'live');
      }
    });
    const seconds = (performance.now() - startedMs) / 1000;
    const watches = 3;
    const calls = world.consul.stats().requests - callsBefore;
    expect(calls).toBeLessThanOrEqual(watches * (4 * cycles + 3 * seconds));
    const lines = logOf(world)
      .slice(linesBefore)
      .map(({ msg }) => msg);
    expect(lines.filter((msg) => msg.startsWith('Following the registry again'))).toHaveLength(cycles);
    expect(lines.filter((msg) => msg.includes('Serving the last known')).length).toBeLessThanOrEqual(
      watches * cycles,
    );
    expect(lines.filter((msg) => /^[-+~] /.test(msg))).toEqual([]);
  });
});

describe('C4: Consul answers with errors', () => {
  it.each([
    [500, 'No cluster leader', 'warn'],
    [429, 'Your IP is issuing too many requests', 'warn'],
    [403, 'Permission denied', 'error'],
    [404, 'not here', 'warn'],
  ])('C4: %i %s is survived, told as %s, and not asked hot', async (status, body, level) => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      world.consul.faults.set({}, { kind: 'answer', status, body });
      world.consul.dropConnections();
      await untilState(world, 'stale');
      const callsBefore = world.consul.stats().requests;
      const startedMs = performance.now();
      await load.more(200);
      const seconds = (performance.now() - startedMs) / 1000;
      const watches = 3;
      expect(world.consul.stats().requests - callsBefore).toBeLessThanOrEqual(watches * (2 + 4 * seconds));
      world.consul.faults.clear();
      await untilState(world, 'live');
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
    expect(logOf(world).some((line) => line.level === level && line.msg.includes(String(status)))).toBe(true);
  });
});

describe('C5: Consul is slow', () => {
  it.each<[string, (world: World) => void]>([
    [
      'black-holes its answers',
      ({ consul }) => consul.faults.set({ path: healthReads }, { kind: 'black_hole' }),
    ],
    [
      'sends heads late',
      ({ consul }) => consul.faults.set({ path: healthReads }, { kind: 'delay', delayMs: 30_000 }),
    ],
    [
      'dribbles its bodies',
      ({ consul }) => consul.faults.set({ path: healthReads }, { kind: 'dribble', bytes: 1, everyMs: 50 }),
    ],
  ])('C5: a watch whose agent %s is given up, and the others go on', async (_title, slow) => {
    const world = await startWorld({}, { client: { callTimeoutMs: 300 } });
    const shop = await origin();
    await nothingFails(world, async () => {
      slow(world);
      world.consul.dropConnections();
      await eventually(() => {
        expect(view(world).watch).toMatchObject({
          kind: 'stale',
          message: expect.stringMatching(/no complete answer within/) as string,
        });
      }, 10_000);
      await register(world.consulUrl, 'shop', 's', shop.port, { Tags: ['urlprefix-/shop'] });
      await eventually(async () => {
        expect((await get(`${world.url}/shop?key=x`)).body).toBe('x');
      });
      world.consul.faults.clear();
      await eventually(() => {
        expect(state(world)).toBe('live');
      }, 20_000);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });
});

describe('C6, C7: Consul answers, and lies', () => {
  it('C6: 500, then nothing, then the truth', async () => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      const recover = world.consul.faults.set(
        { path: reads },
        { kind: 'answer', status: 500, body: 'No cluster leader' },
      );
      world.consul.dropConnections();
      await untilState(world, 'stale');
      world.consul.faults.set({ path: reads }, { kind: 'empty' });
      recover();
      await eventually(() => {
        expect(heldIn(world)).toEqual(['a', 'b', 'c']);
        expect(view(world).held.every(({ probe }) => probe.kind === 'alive')).toBe(true);
      }, 10_000);
      await load.more(100);
      world.consul.faults.clear();
      world.consul.dropConnections();
      await eventually(() => {
        expect(heldIn(world)).toEqual([]);
      }, 10_000);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });

  it('C6: a Consul that comes back empty loses only what is dead', async () => {
    const world = await startWorld();
    await nothingFails(world, async () => {
      await world.origins[2].close();
      world.consul.reset();
      await eventually(() => {
        expect(idsOf(world)).toEqual(['a', 'b']);
      }, 10_000);
      expect(heldIn(world)).toEqual(['a', 'b']);
      expect(logOf(world).some(({ msg }) => msg.includes('dropped c'))).toBe(true);
    });
  });

  it.each<[string, (actual: string) => string | undefined, 'seen' | 'late']>([
    ['goes back', (actual) => String(Math.max(1, Number(actual) - 5)), 'seen'],
    ['is 0', () => '0', 'seen'],
    ['never moves', () => '1', 'seen'],
    ['is no number', () => 'garbage', 'seen'],
    ['is missing', () => undefined, 'seen'],
    // The agent itself blocks on an index of the future for the whole wait, as Consul does.
    ['is beyond 2^53', (actual) => String(9_007_199_254_740_993n + BigInt(actual)), 'late'],
  ])(
    'C7: an index that %s makes no busy loop and hides no change for long',
    async (_title, rewrite, change) => {
      const world = await startWorld();
      const more = await origin();
      await nothingFails(world, async (load) => {
        world.consul.faults.set({ path: reads }, { kind: 'index', rewrite });
        world.consul.dropConnections();
        await load.more(40);
        const callsBefore = world.consul.stats().requests;
        const startedMs = performance.now();
        await load.more(400);
        const seconds = (performance.now() - startedMs) / 1000;
        const watches = 3;
        expect(world.consul.stats().requests - callsBefore).toBeLessThanOrEqual(watches * (4 + 2 * seconds));
        if (change === 'late') return;
        await register(world.consulUrl, 'api-service', 'd', more.port);
        await eventually(() => {
          expect(idsOf(world)).toContain('d');
        }, 20_000);
      });
    },
  );
});

describe('C8: answers that make no sense', () => {
  it('C8: tags of one writer that are too large to be read spoil nothing else, and are told', async () => {
    const world = await startWorld({}, { client: { maxBodyBytes: 400_000 } });
    const { port } = await origin();
    await register(world.consulUrl, 'mine', 'm', port, { Tags: ['urlprefix-/mine'] });
    const tags = Array.from({ length: 2_000 }, (_, number) => `${'x'.repeat(200)}${number}`);
    const notices = async (): Promise<string> => (await get(`${world.adminUrl}/api/summary`)).body;
    world.consul.faults.set(
      { path: '/v1/catalog/services' },
      { kind: 'body', rewrite: (body) => JSON.stringify({ ...JSON.parse(body), evil: tags, mine: tags }) },
    );
    world.consul.dropConnections();
    await eventually(async () => {
      expect(await notices()).toContain('too large');
    }, 10_000);
    await register(world.consulUrl, 'later', 'l', port, { Tags: ['urlprefix-/later'] });
    // A service whose tags are hidden by those of another writer keeps its route: its own records tell.
    for (const path of ['/later', '/mine']) {
      await eventually(async () => {
        expect((await get(`${world.url}${path}`)).status).toBe(200);
      }, 10_000);
    }
    expect(logOf(world).filter(({ msg }) => msg.includes('too large'))).toHaveLength(1);
    world.consul.faults.clear();
    let number = 0;
    await eventually(async () => {
      // The first of them ends a read that began before.
      await register(world.consulUrl, `more-${(number += 1)}`, 'x', port);
      expect(await notices()).not.toContain('too large');
    }, 10_000);
  });

  it.each([
    ['no JSON', 'this is a page'],
    ['a map', '{}'],
    ['null', 'null'],
    ['more than is read', `[${'{},'.repeat(600_000)}{}]`],
  ])('C8: %s changes nothing', async (_title, body) => {
    const world = await startWorld({}, { client: { maxBodyBytes: 1_000_000 } });
    await nothingFails(world, async (load) => {
      world.consul.faults.set({ path: healthReads }, { kind: 'answer', status: 200, body });
      world.consul.dropConnections();
      await eventually(() => {
        expect(state(world)).toBe('stale');
      });
      await load.more(100);
      world.consul.faults.clear();
      await eventually(() => {
        expect(state(world)).toBe('live');
      }, 20_000);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });

  it('C8: half of a JSON changes nothing', async () => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      world.consul.faults.set({ path: reads }, { kind: 'truncate' });
      world.consul.dropConnections();
      await untilState(world, 'stale');
      await load.more(100);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });

  it('C8: wrong records are shown and left out, the others live', async () => {
    const world = await startWorld();
    const worse = (actual: string): string => {
      const rows = JSON.parse(actual) as { Service: object }[];
      const wrong = [
        { Port: 0 },
        { Port: 70_000 },
        { Address: 'http://x/' },
        { Tags: 'x' },
        { Service: 'other' },
        { ID: 7 },
      ];
      const first = rows[0]!;
      const more = wrong.map((fields, index) => ({
        ...first,
        Service: { ...first.Service, ID: `wrong-${index}`, ...fields },
      }));
      return JSON.stringify([...rows, ...more, rows[0], null, 7, 'x']);
    };
    await nothingFails(world, async () => {
      world.consul.faults.set({ path: healthReads }, { kind: 'body', rewrite: worse });
      world.consul.dropConnections();
      await eventually(() => {
        expect(view(world).snapshot?.quarantined).toHaveLength(10);
      }, 10_000);
    });
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });
});

describe('C9, C10: whom to believe', () => {
  it('C9: an older list from a server without contact to its leader is not believed', async () => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      world.consul.faults.set(
        { path: reads },
        { kind: 'headers', headers: { 'x-consul-lastcontact': '60000' } },
      );
      world.consul.faults.set({ path: reads }, { kind: 'index', rewrite: () => '2' });
      world.consul.faults.set({ path: healthReads }, { kind: 'body', rewrite: () => '[]' });
      world.consul.dropConnections();
      await untilState(world, 'stale');
      await load.more(100);
      expect(idsOf(world)).toEqual(['a', 'b', 'c']);
      expect(heldIn(world)).toEqual([]);
      world.consul.faults.clear();
      await untilState(world, 'live', 20_000);
    });
  });

  it('C9: a shorter list without a leader is held', async () => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      await lieInQuietTimes(world, () => {
        world.consul.faults.set(
          { path: healthReads },
          { kind: 'headers', headers: { 'x-consul-knownleader': 'false' } },
        );
        world.consul.faults.set({ path: healthReads }, { kind: 'body', rewrite: () => '[]' });
      });
      await eventually(() => {
        expect(heldIn(world)).toEqual(['a', 'b', 'c', 'w']);
        expect(view(world).held[0]?.because).toBe('no_leader');
      });
      await load.more(50);
    });
  });

  it('C10: a token that is revoked is told loudly, and a new one in its file is taken without a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'first');
    const world = await startWorld({}, { consul: { tokenFile } });
    await nothingFails(world, async (load) => {
      world.consul.faults.set(
        { path: reads, unless: { header: 'x-consul-token', value: 'second' } },
        { kind: 'answer', status: 403, body: 'ACL not found' },
      );
      world.consul.dropConnections();
      await untilState(world, 'stale');
      await load.more(50);
      expect(idsOf(world)).toEqual(['a', 'b', 'c']);
      await eventually(() => {
        expect(logOf(world).some(({ level, msg }) => level === 'error' && msg.includes('403'))).toBe(true);
      });
      await writeFile(tokenFile, 'second');
      await untilState(world, 'live', 15_000);
    });
  });
});

describe('C11–C13: much at once', () => {
  it('C11: a thousand registrations in a storm are all known soon, and cost no request', async () => {
    const world = await startWorld();
    const services = 20;
    const perService = 50;
    await nothingFails(world, async () => {
      for (let number = 0; number < perService; number += 1) {
        await Promise.all(
          Array.from({ length: services }, (_, service) =>
            register(world.consulUrl, `storm-${service}`, `s${service}-${number}`, 1_024 + number, {
              Tags: [`urlprefix-/storm/${service}`],
            }),
          ),
        );
      }
      await eventually(() => {
        for (let service = 0; service < services; service += 1)
          expect(idsOf(world, `storm-${service}`)).toHaveLength(perService);
      }, 20_000);
    });
    expect(world.gateway.registry.table.routes).toHaveLength(services + 1);
  });

  it('C12: most instances turning critical at once is not believed, a deregistration is', async () => {
    const world = await startWorld();
    const check = (id: string) => ({ Check: { CheckID: `check-${id}`, TTL: '600s', Status: 'passing' } });
    const more = await Promise.all([origin(), origin()]);
    const all = [...world.origins, ...more];
    const ids = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(
      ids.map((id, index) => register(world.consulUrl, 'api-service', id, all[index]!.port, check(id))),
    );
    await eventually(() => {
      expect(idsOf(world)).toEqual(ids);
    });
    await nothingFails(world, async (load) => {
      for (const id of ids.slice(1))
        await fetch(`${world.consulUrl}/v1/agent/check/fail/check-${id}`, { method: 'PUT' });
      await eventually(() => {
        expect(view(world).snapshot?.instances.filter(({ status }) => status === 'critical')).toHaveLength(4);
      });
      expect(view(world).upstream.panic).toBe(true);
      expect(heldIn(world)).toEqual([]);
      await load.more(100);
      await world.deregister('e');
      await eventually(() => {
        expect(idsOf(world)).toEqual(['a', 'b', 'c', 'd']);
      });
    });
  });

  it('C13: a herd that registers again after Consul lost everything is taken in without a gap', async () => {
    const world = await startWorld();
    const herd = 100;
    const origins = await Promise.all(Array.from({ length: herd }, origin));
    const enlist = (): Promise<unknown> =>
      Promise.all(
        origins.map(({ port }, number) => register(world.consulUrl, 'api-service', `h${number}`, port)),
      );
    await enlist();
    await eventually(() => {
      expect(idsOf(world)).toHaveLength(herd + 3);
    });
    await nothingFails(world, async (load) => {
      world.consul.reset();
      await eventually(() => {
        expect(heldIn(world)).toHaveLength(herd + 3);
      }, 10_000);
      await load.more(20);
      await Promise.all([enlist(), world.registerAll()]);
      await eventually(() => {
        expect(heldIn(world)).toEqual([]);
      }, 10_000);
    });
    expect(idsOf(world)).toHaveLength(herd + 3);
  });
});

describe('the blast-radius guard', () => {
  /** A change that takes every instance away at once, in quiet times. */
  const loseAll = async (world: World): Promise<void> => {
    await lieInQuietTimes(world, () => {
      world.consul.faults.set({ path: healthReads }, { kind: 'body', rewrite: () => '[]' });
    });
    await eventually(() => {
      expect(heldIn(world)).toEqual(['a', 'b', 'c', 'w']);
    });
  };

  it('keeps what is taken away all at once while it answers, and lets the dead go at once', async () => {
    const world = await startWorld();
    await nothingFails(world, async (load) => {
      await loseAll(world);
      await load.more(50);
      await world.origins[1].close();
      await eventually(() => {
        expect(idsOf(world)).toEqual(['a', 'c', 'w']);
      }, 10_000);
      expect(view(world).held[0]).toMatchObject({ because: 'removal', probe: { kind: 'alive' } });
    });
    const kept = logOf(world).filter(({ msg }) => msg.includes('no longer lists'));
    expect(kept).toHaveLength(1);
    expect(kept[0]?.msg).toContain('a, b, c, w');
  });

  it('lets the registry have its way when the operator says so', async () => {
    const world = await startWorld();
    await loseAll(world);
    expect((await get(`${world.url}/api?key=x`)).body).toBe('x');
    expect(world.gateway.registry.release('api-service')).toEqual(['a', 'b', 'c', 'w']);
    expect((await get(`${world.url}/api`)).status).toBe(503);
    expect(world.gateway.registry.release('nobody')).toBeUndefined();
  });

  it('does not hold up an ordinary stop: drain first, then deregister', async () => {
    const world = await startWorld();
    for (const id of ['a', 'b', 'c'])
      await fetch(`${world.consulUrl}/v1/agent/service/maintenance/${id}?enable=true`, { method: 'PUT' });
    await eventually(() => {
      expect(view(world).snapshot?.instances.map(({ status }) => status)).toEqual([
        'draining',
        'draining',
        'draining',
      ]);
    });
    for (const id of ['a', 'b', 'c']) await world.deregister(id);
    await eventually(() => {
      expect(idsOf(world)).toEqual([]);
    });
    expect(heldIn(world)).toEqual([]);
  });
});

describe('what a registration may say', () => {
  it('refuses addresses that no instance can have, and shows them', async () => {
    const world = await startWorld();
    const own = world.gateway.address.port;
    await register(world.consulUrl, 'api-service', 'metadata', 80, { Address: '169.254.169.254' });
    await register(world.consulUrl, 'api-service', 'loop', own);
    await register(world.consulUrl, 'api-service', 'consul', Number(new URL(world.consulUrl).port));
    await nothingFails(world, async (load) => {
      await eventually(() => {
        expect(
          view(world)
            .snapshot?.quarantined.map(({ id }) => id)
            .sort(),
        ).toEqual(['consul', 'loop', 'metadata']);
      });
      await load.more(50);
    });
    const { body } = await get(`${world.adminUrl}/api/services/api-service`);
    expect(body).toContain('cloud metadata');
    expect(body).toContain('this gateway itself');
    expect(idsOf(world)).toEqual(['a', 'b', 'c']);
  });

  it('follows settings in the meta of the newest registration while it serves', async () => {
    const world = await startWorld();
    await nothingFails(world, async () => {
      await register(world.consulUrl, 'api-service', 'd', world.origins[0].port, {
        Meta: { balance: 'least-requests', 'slow-start-ms': 'soon' },
      });
      await eventually(() => {
        expect(view(world).upstream.policy.balance).toBe('least-requests');
      });
    });
    expect(view(world).settings.balance).toBe('least-requests');
    expect(view(world).invalidSettings).toMatchObject([{ setting: 'slow-start-ms=soon' }]);
    expect(logOf(world).filter(({ msg }) => msg.includes('slow-start-ms=soon'))).toHaveLength(1);
  });
});
