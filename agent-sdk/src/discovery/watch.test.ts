import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { healthRecord } from '../../../test/kit/health-record.ts';
import { scriptedClient } from '../../../test/kit/scripted-client.ts';
import { createConsulClient } from './consul-client.ts';
import { consulSettings } from './environment.ts';
import type { Catalog } from './instance.ts';
import {
  type ReadAnswer,
  type ReadOptions,
  type RegistryClient,
  RegistryError,
  type RegistryFailure,
} from './registry-client.ts';
import { WakeList } from './wake-list.ts';
import { snapshotFromAnswer } from './snapshot.ts';
import type { SnapshotChange } from './snapshot-change.ts';
import { watchCatalog, watchService, type WatchOptions } from './watch.ts';
import type { WatchEvent } from './watch-event.ts';

/** What the scripted registry does with one read. */
type Scripted =
  | {
      readonly index?: string | undefined;
      /** Ids of the instances, each on a port of its own. */
      readonly ids: readonly string[];
      /** Virtual time until the answer comes. */
      readonly afterMs?: number;
      readonly knownLeader?: boolean;
      readonly filteredByAcl?: boolean;
      readonly lastContactMs?: number;
    }
  | { readonly failure: RegistryFailure };

interface Read {
  readonly index: string | undefined;
  readonly waitMs: number | undefined;
  readonly atMs: number;
}

/** A registry and a clock that moves only when somebody waits. The watch ends when the virtual time is over. */
function simulation(endMs: number, respond: (read: Read & { readonly number: number }) => Scripted) {
  const end = new AbortController();
  const reads: Read[] = [];
  let nowMs = 0;
  const pass = (ms: number): void => {
    nowMs += ms;
    if (nowMs >= endMs) end.abort();
  };
  const answer = async (
    options: ReadOptions,
    body: (ids: readonly string[]) => unknown,
  ): Promise<ReadAnswer> => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const read: Read = { index: options.index, waitMs: options.waitMs, atMs: nowMs };
    reads.push(read);
    if (reads.length > 5000) end.abort();
    const scripted = respond({ ...read, number: reads.length });
    if ('failure' in scripted) throw new RegistryError(scripted.failure, `scripted ${scripted.failure}`);
    pass(scripted.afterMs ?? 0);
    options.signal.throwIfAborted();
    const { index, knownLeader = true, filteredByAcl = false, lastContactMs = 0 } = scripted;
    return { body: body(scripted.ids), index, knownLeader, lastContactMs, filteredByAcl };
  };
  const port = (id: string): number => 1000 + (id.codePointAt(0) ?? 0);
  const client = scriptedClient(
    {
      serviceHealth: (_service, options) =>
        answer(options, (ids) => ids.map((id) => healthRecord(id, { port: port(id) }))),
      catalogServices: (options) =>
        answer(options, (ids) => Object.fromEntries(ids.map((id) => [id, [`tag-${id}`]]))),
    },
    { now: () => nowMs },
  );
  const options = {
    signal: end.signal,
    now: () => nowMs,
    random: () => 0.5,
    sleep: (ms: number) => {
      pass(ms);
      return Promise.resolve();
    },
  };
  return { client, options, reads, end, now: () => nowMs };
}

type Simulation = ReturnType<typeof simulation>;

/** One line per event: `a b`, `a b (2 held)`, `stale timeout 1`, `live`, with its virtual time in seconds. */
async function tell(
  { client, options, now }: Simulation,
  more: Partial<WatchOptions> = {},
): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of watchService(client, 'api', { ...options, ...more }))
    lines.push(`${String(Math.round(now() / 1000))}s ${lineOf(event)}`);
  return lines;
}

function lineOf(event: WatchEvent<SnapshotChange>): string {
  if (event.kind === 'live') return 'live';
  if (event.kind === 'stale') return `stale ${event.failure} ${event.attempt}`;
  const { instances, held } = event.value.after;
  return `[${instances.map(({ id }) => id).join(' ')}]${held.length === 0 ? '' : ` ${held.length} held`}`;
}

/** An agent that has nothing more to say blocks for the whole wait. */
const blocked = (ids: readonly string[], index: string, read: Read): Scripted => ({
  ids,
  index,
  afterMs: read.index === undefined || read.index === '0' ? 0 : (read.waitMs ?? 0),
});

describe('watchService following', () => {
  it('does not take what this process itself has run out of for a word on the registry, for a while', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a'], index: '5' };
      if (read.number <= 6) return { failure: 'exhausted' };
      return blocked(['a', 'b'], '6', read);
    });
    expect((await tell(world)).map((line) => line.replace(/^\d+s /, ''))).toEqual(['[a]', '[a b]']);
    const lasting = simulation(60_000, ({ number }) =>
      number === 1 ? { ids: ['a'], index: '5' } : { failure: 'exhausted' },
    );
    expect((await tell(lasting))[1]).toMatch(/stale exhausted 6$/);
  });

  it('reads at once, then blocks on the index, and yields what differs', async () => {
    const world = simulation(200_000, (read) => {
      if (read.number === 1) return { ids: ['a'], index: '5' };
      if (read.number === 2) return { ids: ['a', 'b'], index: '8', afterMs: 1000 };
      return blocked(['a', 'b'], '8', read);
    });
    expect(await tell(world)).toEqual(['0s [a]', '1s [a b]']);
    expect(world.reads.slice(0, 3).map(({ index }) => index)).toEqual(['0', '5', '8']);
    expect(world.reads[2]?.waitMs).toBe(60_000);
    expect(world.reads.length).toBeLessThan(8);
  });

  it('believes an empty answer to a healthy blocking read at once', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a'], index: '5' };
      if (read.number === 2) return { ids: [], index: '6', afterMs: 1000 };
      return blocked([], '6', read);
    });
    expect(await tell(world)).toEqual(['0s [a]', '1s []']);
  });

  it('quarantines bad records and still counts the rest', async () => {
    const world = simulation(1000, (read) => blocked(['a'], '5', read));
    const client: RegistryClient = {
      ...world.client,
      serviceHealth: async (service, options) => {
        const answer = await world.client.serviceHealth(service, options);
        return { ...answer, body: [...(answer.body as unknown[]), healthRecord('bad', { port: 0 })] };
      },
    };
    const seen: WatchEvent<SnapshotChange>[] = [];
    for await (const event of watchService(client, 'api', { ...world.options, cluster: 'dc7' }))
      seen.push(event);
    expect(seen).toMatchObject([
      {
        kind: 'value',
        value: { after: { instances: [{ key: 'dc7/n1/a' }], quarantined: [{ id: 'bad' }], held: [] } },
      },
    ]);
  });

  it('lets a deployment through as fast as it comes', async () => {
    const ids = 'abcdefghijklmnop'.split('');
    const world = simulation(100_000, (read) =>
      read.number <= ids.length
        ? { ids: ids.slice(0, read.number), index: String(read.number) }
        : blocked(ids, String(ids.length), read),
    );
    const lines = await tell(world);
    expect(lines).toHaveLength(ids.length);
    expect(lines.at(-1)).toMatch(/^0s/u);
  });
});

describe('watchService rate', () => {
  let counter = 0;
  it.each<[string, (read: Read) => string | undefined]>([
    ['always moves', () => String((counter += 1))],
    ['always falls', () => String(1_000_000 - (counter += 1))],
    ['is always 0', () => '0'],
    ['is always 1', () => '1'],
    ['is missing', () => undefined],
    ['is garbage', () => 'garbage'],
    ['swings', () => String(1000 + ((counter += 7) % 20))],
    ['is beyond 2^53', () => String(9007199254740993n + BigInt((counter += 1)))],
  ])('is at most two reads a second when the index %s', async (_title, index) => {
    const world = simulation(120_000, (read) => ({ ids: ['a'], index: index(read) }));
    expect(await tell(world)).toEqual(['0s [a]']);
    const within = (fromMs: number, toMs: number): number =>
      world.reads.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
    expect(within(0, 3000)).toBeLessThanOrEqual(6);
    expect(within(0, 10_000)).toBeLessThanOrEqual(14);
    expect(within(60_000, 120_000)).toBeLessThanOrEqual(6);
  });

  it('is at most five reads a second while every read fails, and slower as it goes on', async () => {
    const world = simulation(120_000, () => ({ failure: 'unreachable' }));
    await tell(world);
    expect(world.reads.filter(({ atMs }) => atMs < 1000).length).toBeLessThanOrEqual(5);
    expect(world.reads.filter(({ atMs }) => atMs >= 60_000).length).toBeLessThanOrEqual(10);
  });

  it('asks once in a few seconds while it is forbidden to', async () => {
    const world = simulation(120_000, () => ({ failure: 'forbidden' }));
    await tell(world);
    expect(world.reads.length).toBeLessThan(60);
    expect(world.reads.length).toBeGreaterThan(30);
  });

  it('keeps looking every second or so when it is the one that watches for the end of an outage', async () => {
    const world = simulation(120_000, () => ({ failure: 'unreachable' }));
    await tell(world, { retryMaxMs: 1_000 });
    const late = world.reads.filter(({ atMs }) => atMs >= 60_000).length;
    expect(late).toBeGreaterThan(50);
    expect(late).toBeLessThan(120);
  });

  it('wakes the others when it gets through after a failure', async () => {
    const recovery = new WakeList();
    let rings = 0;
    const count = (): void => {
      rings += 1;
      recovery.onWake(count);
    };
    recovery.onWake(count);
    const world = simulation(10_000, (read) =>
      read.number === 1 || read.number > 3 ? blocked(['a'], '5', read) : { failure: 'unreachable' },
    );
    await tell(world, { recovery });
    expect(rings).toBe(1);
  });

  it('is bounded when every other read fails', async () => {
    const world = simulation(120_000, ({ number }) =>
      number % 2 === 0 ? { failure: 'unavailable' } : { ids: ['a'], index: '5' },
    );
    await tell(world);
    expect(world.reads.length).toBeLessThan(240);
  });

  it('yields 20 changes a second at most', async () => {
    const world = simulation(10_000, ({ number }) => ({
      ids: [number % 2 === 0 ? 'a' : 'b'],
      index: String(number),
    }));
    expect((await tell(world)).length).toBeLessThanOrEqual(225);
  });
});

describe('watchService in trouble', () => {
  it.each<RegistryFailure>([
    'unreachable',
    'timeout',
    'forbidden',
    'not_found',
    'rejected',
    'unavailable',
    'malformed',
  ])('keeps the last value through %s, starts over with index 0, and goes on', async (failure) => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a'], index: '5' };
      return read.number <= 4 ? { failure } : blocked(['a'], '5', read);
    });
    const lines = await tell(world);
    expect(lines.map((line) => line.replace(/^\d+s /u, ''))).toEqual([
      '[a]',
      `stale ${failure} 1`,
      `stale ${failure} 2`,
      `stale ${failure} 3`,
      'live',
    ]);
    expect(world.reads.slice(1, 6).map(({ index }) => index)).toEqual(['5', '0', '0', '0', '5']);
  });

  it('says when it will try again, and keeps to it', async () => {
    const world = simulation(5000, () => ({ failure: 'timeout' }));
    const retries: number[] = [];
    for await (const event of watchService(world.client, 'api', world.options))
      if (event.kind === 'stale') retries.push(event.retryInMs);
    const gaps = world.reads.slice(1).map(({ atMs }, index) => atMs - (world.reads[index]?.atMs ?? 0));
    expect(retries.slice(0, gaps.length)).toEqual(gaps);
    expect(retries[0]).toBe(375);
  });

  it('yields a value after trouble when the content has changed', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a'], index: '5' };
      return read.number === 2 ? { failure: 'timeout' } : blocked(['a', 'b'], '6', read);
    });
    expect(await tell(world)).toEqual(['0s [a]', '0s stale timeout 1', '0s [a b]']);
  });

  it('treats an answer without sense like any other failure', async () => {
    const world = simulation(1000, (read) => blocked([], '5', read));
    const client = {
      ...world.client,
      serviceHealth: async (service: string, options: ReadOptions) => ({
        ...(await world.client.serviceHealth(service, options)),
        body: { not: 'a list' },
      }),
    };
    const kinds: string[] = [];
    for await (const event of watchService(client, 'api', world.options)) kinds.push(event.kind);
    expect(new Set(kinds)).toEqual(new Set(['stale']));
  });

  it('outlives a client that throws what it should not', async () => {
    const world = simulation(2000, (read) => blocked(['a'], '5', read));
    let calls = 0;
    const client: RegistryClient = {
      ...world.client,
      serviceHealth: (service, options) => {
        calls += 1;
        return calls === 1
          ? Promise.reject(new TypeError('a mistake'))
          : world.client.serviceHealth(service, options);
      },
    };
    const kinds: string[] = [];
    for await (const event of watchService(client, 'api', world.options)) kinds.push(event.kind);
    expect(kinds).toEqual(['stale', 'value']);
  });
});

describe('watchService in doubt', () => {
  it('keeps everything when Consul comes back empty, until each instance is back', async () => {
    const world = simulation(200_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50' };
      if (read.atMs < 20_000) return { failure: 'unreachable' };
      if (read.atMs < 25_000) return { ids: [], index: '2', afterMs: read.index === '0' ? 0 : 5000 };
      if (read.atMs < 30_000) return { ids: ['b'], index: '3', afterMs: 5000 };
      return blocked(['a', 'b'], '4', read);
    });
    const lines = (await tell(world)).filter((line) => !line.includes('stale'));
    expect(lines.map((line) => line.replace(/^\d+s /u, ''))).toEqual([
      '[a b]',
      '[a b] 2 held',
      '[a b] 1 held',
      '[a b]',
    ]);
  });

  it('believes the empty list when nothing came back for 30 s, by a second read', async () => {
    const world = simulation(200_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50' };
      return read.number === 2 ? { failure: 'unreachable' } : blocked([], '2', read);
    });
    expect(await tell(world)).toEqual(['0s [a b]', '0s stale unreachable 1', '0s [a b] 2 held', '30s []']);
    const held = world.reads.slice(2).filter(({ atMs }) => atMs < 30_000);
    expect(held.slice(0, 5).map(({ index, waitMs }) => [index, waitMs])).toEqual([
      ['0', 0],
      ['2', 2_000],
      ['0', 0],
      ['2', 2_000],
      ['0', 0],
    ]);
    expect(held.length).toBeLessThan(35);
    const after = world.reads.filter(({ atMs }) => atMs > 31_000);
    expect(after.slice(0, 2).map(({ index, waitMs }) => [index, waitMs])).toEqual([
      ['2', 60_000],
      ['2', 60_000],
    ]);
  });

  it('asks afresh while it holds, because what comes back need not move the index', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50' };
      if (read.number === 2) return { ids: [], index: '50', afterMs: 1000, filteredByAcl: true };
      // The token is right again: every fresh read tells, but nothing wakes a read that blocks on the index.
      return blocked(read.index === '0' ? ['a', 'b'] : [], '50', read);
    });
    expect((await tell(world)).slice(0, 3)).toEqual(['0s [a b]', '1s [a b] 2 held', '3s [a b]']);
  });

  it.each<[string, Scripted]>([
    ['after the index went backwards', { ids: [], index: '2', afterMs: 1000 }],
    ['when the index did not move', { ids: [], index: '50', afterMs: 1000 }],
    ['without a leader', { ids: [], index: '51', knownLeader: false, afterMs: 1000 }],
    ['when rows were filtered out all at once', { ids: [], index: '51', filteredByAcl: true, afterMs: 1000 }],
  ])('holds what an answer took away %s', async (_title, answer) => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50' };
      return read.number === 2 ? answer : blocked(['a', 'b'], '51', read);
    });
    expect((await tell(world)).slice(0, 3).map((line) => line.replace(/^\d+s /u, ''))).toEqual([
      '[a b]',
      '[a b] 2 held',
      '[a b]',
    ]);
  });

  it('holds what an ordinary answer took away when it was most of it, for those who ask for that', async () => {
    const script = (read: Read & { readonly number: number }): Scripted => {
      if (read.number === 1) return { ids: ['a', 'b', 'c'], index: '50' };
      return read.number === 2 ? { ids: ['a'], index: '51', afterMs: 1000 } : blocked(['a'], '51', read);
    };
    expect(
      await tell(simulation(100_000, script), {
        holdPolicy: () => ({ holdMs: 30_000, maxRemovedRatio: 0.5 }),
      }),
    ).toEqual(['0s [a b c]', '1s [a b c] 2 held', '31s [a]']);
    expect(await tell(simulation(100_000, script))).toEqual(['0s [a b c]', '1s [a]']);
  });

  it('weighs the first answer against a saved snapshot as after a failure', async () => {
    const seed = snapshotFromAnswer(
      {
        body: ['a', 'b'].map((id) => healthRecord(id, { port: 1000 + (id.codePointAt(0) ?? 0) })),
        index: '9',
        knownLeader: true,
        lastContactMs: 0,
        filteredByAcl: false,
      },
      { service: 'api', cluster: 'default' },
    );
    const empty = simulation(100_000, (read) => blocked([], '2', read));
    expect(await tell(empty, { seed })).toEqual(['0s [a b] 2 held', '30s []']);
    const same = simulation(100_000, (read) => blocked(['a', 'b'], '2', read));
    expect(await tell(same, { seed })).toEqual(['0s live']);
  });

  it('does not believe an older list of a server that is cut off from its leader', async () => {
    const world = simulation(10_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50' };
      if (read.number <= 3) return { ids: ['a', 'old'], index: '40', lastContactMs: 90_000 };
      return blocked(['a', 'b', 'c'], '51', read);
    });
    const lines = await tell(world);
    expect(lines.map((line) => line.replace(/^\d+s /u, ''))).toEqual([
      '[a b]',
      'stale unavailable 1',
      'stale unavailable 2',
      '[a b c]',
    ]);
  });

  it('does not hold a deregistration back because this token never sees every row', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['a', 'b'], index: '50', filteredByAcl: true };
      if (read.number === 2) return { ids: ['a'], index: '51', afterMs: 1000, filteredByAcl: true };
      return { ...blocked(['a'], '51', read), filteredByAcl: true };
    });
    expect(await tell(world)).toEqual(['0s [a b]', '1s [a]']);
  });
});

describe('watchCatalog', () => {
  it('yields services with their tags and keeps them when Consul comes back empty', async () => {
    const world = simulation(100_000, (read) => {
      if (read.number === 1) return { ids: ['api', 'consul'], index: '50' };
      if (read.number === 2) return { failure: 'unreachable' };
      return read.atMs < 10_000
        ? { ids: ['consul'], index: '2', afterMs: read.index === '0' ? 0 : 10_000 }
        : blocked(['api', 'consul'], '3', read);
    });
    const seen: WatchEvent<Catalog>[] = [];
    for await (const event of watchCatalog(world.client, world.options)) seen.push(event);
    const services = { api: ['tag-api'], consul: ['tag-consul'] };
    expect(seen).toMatchObject([{ kind: 'value', value: { services } }, { kind: 'stale' }, { kind: 'live' }]);
  });
});

describe('a watch over real sockets', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function realWatch(
    listener: Parameters<typeof createServer>[1],
  ): Promise<{ client: RegistryClient; server: Server }> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const settings = consulSettings({}, { address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    if (settings.kind === 'invalid') throw new Error(settings.problems.join());
    const client = createConsulClient(settings.settings);
    cleanups.push(() => {
      client.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return { client, server };
  }

  const connections = (server: Server): Promise<number> =>
    new Promise((resolve, reject) => {
      server.getConnections((error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });

  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  it('ends in mid-request when the signal aborts, and leaves no socket and no timer', async () => {
    let blockedReads = 0;
    const { client, server } = await realWatch((request, response) => {
      if (request.url?.includes('index=') === true) blockedReads += 1;
      else response.writeHead(200, { 'X-Consul-Index': '5' }).end('[]');
    });
    const end = new AbortController();
    const before = timers();
    const events: string[] = [];
    const watching = (async () => {
      for await (const event of watchService(client, 'api', { signal: end.signal })) events.push(event.kind);
    })();
    await eventually(() => {
      expect(blockedReads).toBe(1);
    });
    end.abort();
    await watching;
    expect(events).toEqual(['value']);
    expect(timers()).toBeLessThanOrEqual(before);
    client.close();
    await eventually(async () => {
      expect(await connections(server)).toBe(0);
    });
  });

  it('ends in mid-pause when the signal aborts', async () => {
    const { client } = await realWatch((_request, response) => response.writeHead(500).end());
    const end = new AbortController();
    const before = timers();
    let abortedMs = 0;
    for await (const event of watchService(client, 'api', { signal: end.signal, random: () => 0.999 })) {
      if (event.kind !== 'stale') continue;
      setImmediate(() => {
        abortedMs = performance.now();
        end.abort();
      });
    }
    expect(performance.now() - abortedMs).toBeLessThan(300);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('ends when the iteration is left, also in mid-request', async () => {
    let blockedReads = 0;
    const { client, server } = await realWatch((request, response) => {
      if (request.url?.includes('index=') === true) blockedReads += 1;
      else response.writeHead(200, { 'X-Consul-Index': '5' }).end('[]');
    });
    const iterator = watchService(client, 'api', { signal: new AbortController().signal })[
      Symbol.asyncIterator
    ]();
    expect(await iterator.next()).toMatchObject({ value: { kind: 'value' } });
    const pending = iterator.next();
    await eventually(() => {
      expect(blockedReads).toBe(1);
    });
    await iterator.return?.();
    expect(await pending).toMatchObject({ done: true });
    client.close();
    await eventually(async () => {
      expect(await connections(server)).toBe(0);
    });
  });

  it('yields nothing when the signal was aborted before', async () => {
    const { client } = await realWatch((_request, response) => response.end('[]'));
    const events: unknown[] = [];
    for await (const event of watchService(client, 'api', { signal: AbortSignal.abort() }))
      events.push(event);
    expect(events).toEqual([]);
  });

  it('shares one signal between hundreds of watches without a warning', async () => {
    const { client } = await realWatch((request, response) => {
      if (request.url?.includes('index=') !== true)
        response.writeHead(200, { 'X-Consul-Index': '5' }).end('[]');
    });
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown): void => {
      warnings.push(warning);
    };
    process.on('warning', onWarning);
    cleanups.push(() => {
      process.off('warning', onWarning);
    });
    const end = new AbortController();
    let values = 0;
    const watches = Array.from({ length: 100 }, async (_, index) => {
      for await (const event of watchService(client, `s${index}`, { signal: end.signal }))
        values += event.kind === 'value' ? 1 : 0;
    });
    await eventually(() => {
      expect(values).toBe(100);
    });
    end.abort();
    await Promise.all(watches);
    expect(warnings).toEqual([]);
  });
});
