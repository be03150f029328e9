import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from './eventually.ts';
import { createFaultyConsul, type FaultyConsul } from './faulty-consul.ts';

let consul: FaultyConsul;
let base = '';

beforeEach(async () => {
  consul = createFaultyConsul();
  const { host, port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  base = `http://${host}:${port}`;
  await register('api');
});
afterEach(() => consul.stop());

const get = (path: string, signal?: AbortSignal): Promise<Response> =>
  fetch(`${base}/v1${path}`, signal === undefined ? {} : { signal });
const register = (name: string): Promise<Response> =>
  fetch(`${base}/v1/agent/service/register`, { method: 'PUT', body: JSON.stringify({ Name: name }) });
const indexOf = async (path: string): Promise<string | null> =>
  (await get(path)).headers.get('x-consul-index');

describe('an agent behind the proxy of faults', () => {
  it('serves again on the same port, and counts requests and blocked queries', async () => {
    await consul.stop();
    await consul.listen({ host: '127.0.0.1', port: Number(new URL(base).port) });
    expect(await (await get('/agent/services')).json()).toHaveProperty('api');
    const before = consul.stats().requests;
    const blocked = expect(get('/health/service/api?index=1000000&wait=60s')).rejects.toThrow();
    await eventually(() => {
      expect(consul.stats()).toMatchObject({ requests: before + 1, blockedQueries: 1 });
    });
    consul.dropConnections();
    await blocked;
    await eventually(() => {
      expect(consul.stats()).toMatchObject({ blockedQueries: 0, connections: 0 });
    });
    consul.reset();
    expect(await (await get('/agent/services')).json()).toEqual({});
  });
});

describe('faults of a registry', () => {
  it('answer what they are told, for as many requests as they are told', async () => {
    consul.faults.set(
      { path: '/v1/catalog', times: 2 },
      { kind: 'answer', status: 500, body: 'No cluster leader' },
    );
    const first = await get('/catalog/services');
    expect([first.status, await first.text()]).toEqual([500, 'No cluster leader']);
    expect((await get('/health/service/api')).status).toBe(200);
    expect((await get('/catalog/services')).status).toBe(500);
    expect((await get('/catalog/services')).status).toBe(200);
  });

  it('empty a list or a map, at once', async () => {
    const clear = consul.faults.set({}, { kind: 'empty' });
    expect(await (await get('/health/service/api?index=1000000&wait=60s')).json()).toEqual([]);
    expect(await (await get('/catalog/services')).json()).toEqual({});
    clear();
    expect(await (await get('/catalog/services')).json()).toEqual({ consul: [], api: [] });
  });

  it.each([
    ['lower', (actual: string) => String(Number(actual) - 5)],
    ['zero', () => '0'],
    ['garbage', () => 'abc'],
    ['above 2^53', () => '9007199254740993'],
  ])('rewrite the index: %s', async (_what, rewrite) => {
    const actual = (await indexOf('/catalog/services')) ?? '';
    consul.faults.set({ path: /^\/v1\/catalog\/services/ }, { kind: 'index', rewrite });
    expect(await indexOf('/catalog/services')).toBe(rewrite(actual));
  });

  it('leave the index out', async () => {
    consul.faults.set({}, { kind: 'index', rewrite: () => undefined });
    expect(await indexOf('/catalog/services')).toBeNull();
  });

  it('change, add and leave out headers of a true answer', async () => {
    consul.faults.set(
      {},
      {
        kind: 'headers',
        headers: {
          'x-consul-knownleader': 'false',
          'x-consul-results-filtered-by-acls': 'true',
          'x-consul-lastcontact': undefined,
        },
      },
    );
    const { status, headers } = await get('/catalog/services');
    expect(status).toBe(200);
    expect(headers.get('x-consul-knownleader')).toBe('false');
    expect(headers.get('x-consul-results-filtered-by-acls')).toBe('true');
    expect(headers.get('x-consul-lastcontact')).toBeNull();
  });

  it('make another body of the true one', async () => {
    consul.faults.set({}, { kind: 'body', rewrite: (actual) => actual.replace('consul', 'raft') });
    expect(await (await get('/catalog/services')).json()).toEqual({ api: [], raft: [] });
  });

  it('happen only to requests without a header', async () => {
    consul.faults.set(
      { unless: { header: 'accept', value: 'good' } },
      { kind: 'answer', status: 403, body: 'Permission denied' },
    );
    expect((await get('/catalog/services')).status).toBe(403);
    const good = await fetch(`${base}/v1/catalog/services`, { headers: { accept: 'good' } });
    expect(good.status).toBe(200);
  });

  it('truncate JSON in a complete answer', async () => {
    consul.faults.set({}, { kind: 'truncate' });
    const text = await (await get('/health/service/api')).text();
    expect(text.startsWith('[{')).toBe(true);
    expect(() => JSON.parse(text) as unknown).toThrow();
  });

  it('drop the connection before the answer and in the middle of its body', async () => {
    consul.faults.set({ times: 1 }, { kind: 'drop', when: 'before' });
    await expect(get('/health/service/api')).rejects.toThrow();
    consul.faults.set({ times: 1 }, { kind: 'drop', when: 'middle' });
    // How far it got before the reset is the network's business; whole it must not be.
    await expect(get('/health/service/api').then((answer) => answer.text())).rejects.toThrow();
    expect((await get('/health/service/api')).status).toBe(200);
  });

  it('delay an answer, and end with a client that does not wait', async () => {
    const clear = consul.faults.set({}, { kind: 'delay', delayMs: 80 });
    const begunMs = performance.now();
    expect((await get('/catalog/services')).status).toBe(200);
    expect(performance.now() - begunMs).toBeGreaterThan(75);
    clear();
    consul.faults.set({}, { kind: 'delay', delayMs: 60_000 });
    await expect(get('/catalog/services', AbortSignal.timeout(50))).rejects.toThrow();
  });

  it('dribble a body that is whole in the end', async () => {
    consul.faults.set({}, { kind: 'dribble', bytes: 50, everyMs: 1 });
    expect(await (await get('/health/service/api')).json()).toHaveLength(1);
  });

  it('swallow a request, and nothing is left of it after a stop', async () => {
    consul.faults.set({ method: 'PUT' }, { kind: 'black_hole' });
    const failed = expect(register('other')).rejects.toThrow();
    expect(await (await get('/agent/services')).json()).not.toHaveProperty('other');
    await consul.stop();
    await failed;
  });
});
