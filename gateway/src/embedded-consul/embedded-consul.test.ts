import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { createEmbeddedConsul, type EmbeddedConsul, type EmbeddedConsulOptions } from './index.ts';

let consul: EmbeddedConsul;
let base = '';

async function begin(options: EmbeddedConsulOptions = {}): Promise<void> {
  consul = createEmbeddedConsul(options);
  const { host, port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  base = `http://${host}:${port}`;
}
beforeEach(() => begin());
afterEach(() => consul.stop());

const again = async (options: EmbeddedConsulOptions): Promise<void> => {
  await consul.stop();
  await begin(options);
};
const get = (path: string, signal?: AbortSignal): Promise<Response> =>
  fetch(`${base}/v1${path}`, signal === undefined ? {} : { signal });
const put = (path: string, body = ''): Promise<Response> =>
  fetch(`${base}/v1${path}`, { method: 'PUT', body });
const register = (name: string): Promise<Response> =>
  put('/agent/service/register', JSON.stringify({ Name: name }));
const indexOf = async (path: string): Promise<string | null> =>
  (await get(path)).headers.get('x-consul-index');
const future = '/health/service/api?index=1000000&wait=60s';

async function rawConnection(): Promise<Socket> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

describe('the life of an embedded agent', () => {
  it('cuts blocked queries and idle connections when it stops, and leaves no waiter', async () => {
    const blocked = get(future);
    const failed = expect(blocked).rejects.toThrow();
    const idle = await rawConnection();
    const cut = once(idle, 'close');
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(1);
    });
    await consul.stop();
    await failed;
    await cut;
    await eventually(() => {
      expect(consul.stats()).toMatchObject({ blockedQueries: 0, connections: 0 });
    });
    await consul.stop();
  });

  it('comes back on the same port with what was registered', async () => {
    await register('api');
    await consul.stop();
    await consul.listen({ host: '127.0.0.1', port: Number(new URL(base).port) });
    expect(await (await get('/agent/services')).json()).toHaveProperty('api');
  });

  it('forgets everything in a reset, cuts connections and counts from low again', async () => {
    await register('api');
    await put('/kv/a', '1');
    const before = Number(await indexOf('/catalog/services'));
    const failed = expect(get(future)).rejects.toThrow();
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(1);
    });
    consul.reset();
    await failed;
    expect(await (await get('/agent/services')).json()).toEqual({});
    expect((await get('/kv/a')).status).toBe(404);
    expect(Number(await indexOf('/catalog/services'))).toBeLessThan(before);
  });

  it('refuses to listen twice, rejects with the system error, and can try again', async () => {
    await expect(consul.listen({ host: '127.0.0.1', port: 0 })).rejects.toThrow(/listens already/);
    const other = createEmbeddedConsul();
    const taken = Number(new URL(base).port);
    await expect(other.listen({ host: '127.0.0.1', port: taken })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await other.listen({ host: '127.0.0.1', port: 0 });
    await other.stop();
  });

  it('removes a service that has been critical for too long, and says so', async () => {
    let nowMs = 0;
    const reaped: string[] = [];
    await again({ now: () => nowMs, tickMs: 5, onReaped: (ids) => reaped.push(...ids) });
    const check = { CheckID: 'c', TTL: '10s', Status: 'passing', DeregisterCriticalServiceAfter: '1m' };
    await put('/agent/service/register', JSON.stringify({ Name: 'api', Check: check }));
    nowMs = 10_000;
    await eventually(async () => {
      expect(await (await get('/health/checks/api')).json()).toMatchObject([{ Status: 'critical' }]);
    });
    nowMs = 100_000;
    await eventually(async () => {
      expect(await (await get('/health/service/api')).json()).toEqual([]);
    });
    expect(reaped).toEqual(['api']);
  });
});

describe('a client of the embedded agent', () => {
  it('frees its waiter when it leaves', async () => {
    const leaving = new AbortController();
    const failed = expect(get(future, leaving.signal)).rejects.toThrow();
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(1);
    });
    leaving.abort();
    await failed;
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(0);
    });
  });

  it('is told 429 when too many queries block', async () => {
    await again({ limits: { waiters: 1 } });
    const leaving = new AbortController();
    const failed = expect(get(future, leaving.signal)).rejects.toThrow();
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(1);
    });
    expect((await get(future)).status).toBe(429);
    leaving.abort();
    await failed;
  });

  it('is told 413 for a body without a length that grows too large', async () => {
    const socket = await rawConnection();
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.write('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = `10000\r\n${'x'.repeat(0x1_0000)}\r\n`;
    for (let i = 0; i < 9; i++) socket.write(chunk);
    await eventually(() => {
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    });
    socket.destroy();
    expect((await get('/kv/a')).status).toBe(404);
  });

  it('can send what it likes and harms nobody', async () => {
    for (const path of [
      '/health/service/%',
      '/kv/%ff',
      '/../../etc/passwd',
      '/kv/%00?raw',
      '/health/service/__proto__',
    ])
      expect((await get(path)).status).toBeLessThan(502);
    const deep = `{"Name":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect((await put('/agent/service/register', deep)).status).toBe(400);
    expect((await put('/agent/service/register', '{"__proto__":{"Name":"x"}}')).status).toBe(400);
    for (const garbage of ['\0\0\0\0', 'GET\r\n\r\n', 'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n']) {
      const socket = await rawConnection();
      const closed = once(socket.resume(), 'close');
      socket.end(garbage);
      await closed;
    }
    expect((await get('/status/leader')).status).toBe(200);
  });

  it('is told in a sentence what is there when it asks for something else', async () => {
    for (const path of ['/session/create', '/acl/tokens', '/agent/join/1.2.3.4', '/catalog/register']) {
      const answer = await put(path);
      expect(answer.status).toBe(501);
      expect(await answer.text()).toMatch(/not supported.*for development.*run a real Consul/s);
    }
    for (const [path, body] of [
      ['/kv/a?acquire=x', ''],
      ['/agent/service/register', '{"Name":"x","Connect":{"Native":true}}'],
      ['/agent/service/register', '{"Name":"x","Check":{"TCP":"127.0.0.1:1","Interval":"1s"}}'],
    ] as const)
      expect((await put(path, body)).status).toBe(501);
    expect((await get('/health/service/x?filter=Service.Port==1')).status).toBe(501);
  });

  it('gets indented JSON when it asks for it', async () => {
    expect(await (await get('/catalog/datacenters?pretty')).text()).toBe('[\n    "dc1"\n]');
  });
});

describe('faults', () => {
  it('answer what they are told, for as many requests as they are told', async () => {
    consul.faults.set(
      { path: '/v1/catalog', times: 2 },
      { kind: 'answer', status: 500, body: 'No cluster leader' },
    );
    const first = await get('/catalog/services');
    expect([first.status, await first.text()]).toEqual([500, 'No cluster leader']);
    expect((await get('/health/service/consul')).status).toBe(200);
    expect((await get('/catalog/services')).status).toBe(500);
    expect((await get('/catalog/services')).status).toBe(200);
  });

  it('empty a list or a map, and let nobody block on it', async () => {
    const clear = consul.faults.set({}, { kind: 'empty' });
    expect(await (await get('/health/service/consul?index=1000000&wait=60s')).json()).toEqual([]);
    expect(await (await get('/catalog/services')).json()).toEqual({});
    clear();
    expect(await (await get('/catalog/services')).json()).toEqual({ consul: [] });
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
          'X-Consul-KnownLeader': 'false',
          'X-Consul-Results-Filtered-By-ACLs': 'true',
          'X-Consul-LastContact': undefined,
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
    expect(await (await get('/catalog/services')).json()).toEqual({ raft: [] });
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
    const text = await (await get('/health/service/consul')).text();
    expect(text.startsWith('[{')).toBe(true);
    expect(() => JSON.parse(text) as unknown).toThrow();
  });

  it('drop the connection before the answer and in the middle of its body', async () => {
    consul.faults.set({ times: 1 }, { kind: 'drop', when: 'before' });
    await expect(get('/health/service/consul')).rejects.toThrow();
    consul.faults.set({ times: 1 }, { kind: 'drop', when: 'middle' });
    // How far it got before the reset is the network's business; whole it must not be.
    await expect(get('/health/service/consul').then((answer) => answer.text())).rejects.toThrow();
    expect((await get('/health/service/consul')).status).toBe(200);
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
    expect(await (await get('/health/service/consul')).json()).toHaveLength(1);
  });

  it('swallow a request, and nothing is left of it after a stop', async () => {
    consul.faults.set({ method: 'PUT' }, { kind: 'black_hole' });
    const failed = expect(register('api')).rejects.toThrow();
    expect(await (await get('/agent/services')).json()).toEqual({});
    await consul.stop();
    await failed;
  });
});
