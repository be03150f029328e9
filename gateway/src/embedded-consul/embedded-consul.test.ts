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
  it('cuts blocked queries and idle connections when it stops, and leaves no blocked query', async () => {
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

  it('serves again on the same port with what was registered', async () => {
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

  it('removes a service that has been critical for too long, and reports it', async () => {
    let nowMs = 0;
    const removed: string[] = [];
    await again({ now: () => nowMs, tickMs: 5, onRemoved: (ids) => removed.push(...ids) });
    const check = { CheckID: 'c', TTL: '10s', Status: 'passing', DeregisterCriticalServiceAfter: '1m' };
    await put('/agent/service/register', JSON.stringify({ Name: 'api', Check: check }));
    nowMs = 10_000;
    await eventually(async () => {
      expect(await (await get('/health/service/api')).json()).toMatchObject([
        { Checks: [{}, { Status: 'critical' }] },
      ]);
    });
    nowMs = 100_000;
    await eventually(async () => {
      expect(await (await get('/health/service/api')).json()).toEqual([]);
    });
    expect(removed).toEqual(['api']);
  });
});

describe('a client of the embedded agent', () => {
  it('frees its blocked query when it disconnects', async () => {
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

  it('gets 429 when too many queries block', async () => {
    await again({ limits: { blockedQueries: 1 } });
    const leaving = new AbortController();
    const failed = expect(get(future, leaving.signal)).rejects.toThrow();
    await eventually(() => {
      expect(consul.stats().blockedQueries).toBe(1);
    });
    expect((await get(future)).status).toBe(429);
    leaving.abort();
    await failed;
  });

  it('gets 413 for a body without a length that grows too large', async () => {
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

  it('cannot harm the agent with malformed requests', async () => {
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
    expect((await put('/agent/service/register', '{"__proto__":{"Name":"x"}}')).status).toBe(501);
    for (const garbage of ['\0\0\0\0', 'GET\r\n\r\n', 'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n']) {
      const socket = await rawConnection();
      const closed = once(socket.resume(), 'close');
      socket.end(garbage);
      await closed;
    }
    expect((await get('/catalog/services')).status).toBe(200);
  });

  it('gets 501 and a list of what is there for everything else', async () => {
    for (const path of [
      '/session/create',
      '/acl/tokens',
      '/agent/check/register',
      '/agent/maintenance?enable=true',
      '/catalog/register',
    ]) {
      const answer = await put(path);
      expect(answer.status).toBe(501);
      expect(await answer.text()).toMatch(/not supported.*for development.*run a real Consul/s);
    }
    for (const [path, body] of [
      ['/kv/a?acquire=x', ''],
      ['/kv/a?cas=0', ''],
      ['/agent/service/register', '{"Name":"x","Connect":{"Native":true}}'],
      ['/agent/service/register', '{"Name":"x","Check":{"TCP":"127.0.0.1:1","Interval":"1s"}}'],
    ] as const)
      expect((await put(path, body)).status).toBe(501);
    for (const path of [
      '/health/service/x?filter=Service.Port==1',
      '/health/state/any',
      '/catalog/nodes',
      '/catalog/datacenters',
      '/status/leader',
      '/kv/a?raw',
    ])
      expect((await get(path)).status).toBe(501);
  });
});
