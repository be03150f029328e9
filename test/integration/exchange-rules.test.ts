import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { routingStatusTarget } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it, onTestFinished } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { eventually } from '../kit/eventually.ts';
import { routingKey, startTestGateway, type TestConfig, type TestGateway } from '../kit/start-gateway.ts';

/** What an instance got. */
interface Got {
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** An instance that reads each request whole, then answers as told; paths that end in `/up` always get a 200. */
async function instance(answer: (response: http.ServerResponse, got: Got) => void) {
  const seen: Got[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      if (request.url?.endsWith('/up') === true) return void response.end('up');
      const got = { body, headers: request.headers };
      seen.push(got);
      answer(response, got);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

/** A gateway with these instances of `api-service`, all of them known to it. */
async function gatewayOf(ports: Readonly<Record<string, number>>, config: TestConfig): Promise<TestGateway> {
  const gateway = await startTestGateway(config);
  onTestFinished(async () => {
    await gateway[Symbol.asyncDispose]();
  });
  for (const [id, port] of Object.entries(ports)) await gateway.register('api-service', id, port);
  await eventually(async () => {
    for (const id of Object.keys(ports))
      expect(await routingStatus(gateway, id)).toMatchObject({ state: 'live' });
  });
  return gateway;
}

async function routingStatus(gateway: TestGateway, id: string): Promise<unknown> {
  const target = routingStatusTarget({ service: 'api-service', id, key: routingKey });
  return (await fetch(`${gateway.url}${target}`)).json();
}

/** The log line of a response's request. */
async function lineOf(gateway: TestGateway, response: Response): Promise<Readonly<Record<string, unknown>>> {
  const id = response.headers.get('x-request-id') ?? '';
  return eventually(() => {
    const line = gateway
      .log()
      .split('\n')
      .find((text) => text.includes(`"request_id":"${id}"`));
    if (line === undefined) throw new Error(`${id} is not in the log`);
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  });
}

describe.each(['http-proxy', 'wire'] as const)('exchanges over sockets with the %s engine', (engine) => {
  it('repeats a PUT with its body when the route says that a 503 is worth another try', async () => {
    const sick = await instance((response) => response.writeHead(503).end('sick'));
    const well = await instance((response, { body }) => response.end(`got ${body}`));
    const retry = { ...defaults.retry, statuses: [503] };
    const gateway = await gatewayOf({ a: sick.port, b: well.port }, { engine, retry });
    const body = 'x'.repeat(40_000);
    const put = async (): Promise<Response> => {
      const response = await fetch(`${gateway.url}/api`, { method: 'PUT', body });
      expect([response.status, await response.text()]).toEqual([200, `got ${body}`]);
      return response;
    };
    // Whose turn it is first is left to chance.
    let response = await put();
    if (sick.seen.length === 0) response = await put();
    expect(await lineOf(gateway, response)).toMatchObject({
      instance: 'b',
      attempts: [
        { instance: 'a', kind: 'first', end: 'passed_over', status: 503 },
        { instance: 'b', kind: 'retry', end: 'answered', status: 200 },
      ],
    });
    expect(sick.seen.map((got) => got.body)).toEqual([body]);
  });

  it('passes the 503 of a POST on', async () => {
    const sick = (): ReturnType<typeof instance> =>
      instance((response) => response.writeHead(503).end('sick'));
    const [a, b] = [await sick(), await sick()];
    const retry = { ...defaults.retry, statuses: [503] };
    const gateway = await gatewayOf({ a: a.port, b: b.port }, { engine, retry });
    const response = await fetch(`${gateway.url}/api`, { method: 'POST', body: 'once' });
    expect([response.status, await response.text()]).toEqual([503, 'sick']);
    expect(a.seen.length + b.seen.length).toBe(1);
  });

  it('lets a request wait for the only connection that an instance may have', async () => {
    const held: http.ServerResponse[] = [];
    const slow = await instance((response) => held.push(response));
    const gateway = await gatewayOf({ a: slow.port }, { engine, maxConnections: 1 });
    const first = fetch(`${gateway.url}/api/1`);
    await eventually(() => {
      expect(held).toHaveLength(1);
    });
    const second = fetch(`${gateway.url}/api/2`);
    await eventually(async () => {
      const status = await fetch(`${gateway.adminUrl}/api/services/api-service`);
      expect(await status.text()).toMatch(/"queued":\s*1/);
    });
    held[0]?.end('one');
    expect(await (await first).text()).toBe('one');
    await eventually(() => {
      expect(held).toHaveLength(2);
    });
    held[1]?.end('two');
    const response = await second;
    expect(await response.text()).toBe('two');
    expect((await lineOf(gateway, response))['queued_ms']).toBeGreaterThan(0);
  });

  it('holds the deadline over all attempts, and tells the instance what is left', async () => {
    const told: number[] = [];
    const hung = (): ReturnType<typeof instance> =>
      instance((_response, { headers }) => told.push(Number(headers['x-request-timeout'])));
    const [a, b, c] = [await hung(), await hung(), await hung()];
    const timeouts = { totalMs: 400, tryMs: 150 };
    const gateway = await gatewayOf({ a: a.port, b: b.port, c: c.port }, { engine, timeouts });
    const startedMs = performance.now();
    const response = await fetch(`${gateway.url}/api`);
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(390);
    expect(told.length).toBeGreaterThan(1);
    expect(told[0]).toBe(400);
    for (const [i, leftMs] of told.entries()) expect(leftMs).toBeLessThanOrEqual(400 - i * 150 + i);
  });

  it('hedges a slow GET, and the client gets the faster answer', async () => {
    const hung = await instance(() => undefined);
    const quick = await instance((response) => response.end('quick'));
    const gateway = await gatewayOf({ a: hung.port, b: quick.port }, { engine, hedgeAfterMs: 50 });
    const ask = async (): Promise<Response> => {
      const response = await fetch(`${gateway.url}/api`);
      expect(await response.text()).toBe('quick');
      return response;
    };
    let response = await ask();
    if (hung.seen.length === 0) response = await ask();
    expect(await lineOf(gateway, response)).toMatchObject({
      attempts: [
        { instance: 'a', end: 'dropped' },
        { instance: 'b', kind: 'hedge', end: 'answered' },
      ],
    });
    expect(hung.seen).toHaveLength(1);
  });

  it('keeps a client with its instance by a cookie that another gateway understands', async () => {
    const a = await instance((response) => response.end('a'));
    const b = await instance((response) => response.end('b'));
    const sticky: TestConfig = { engine, sticky: 'cookie', stickySecret: 'a secret of the fleet' };
    const [one, two] = await Promise.all([
      gatewayOf({ a: a.port, b: b.port }, sticky),
      gatewayOf({ a: a.port, b: b.port }, sticky),
    ]);
    const first = await fetch(`${one.url}/api`);
    const mine = await first.text();
    const [cookie = ''] = first.headers.getSetCookie();
    expect(cookie).toMatch(/^roundhouse_api-service=[\w-]{22}; Path=\/api; HttpOnly; SameSite=Lax$/);
    const headers = { cookie: `x=1; ${cookie.split(';')[0] ?? ''}; y=2` };
    for (const gateway of [one, two, one, two, two]) {
      const response = await fetch(`${gateway.url}/api`, { headers });
      expect(await response.text()).toBe(mine);
      expect(response.headers.getSetCookie()).toEqual([]);
    }
    const seen = mine === 'a' ? a.seen : b.seen;
    expect(seen.at(-1)?.headers.cookie).toBe('x=1; y=2');
    await two.deregister(mine);
    await eventually(async () => {
      const response = await fetch(`${two.url}/api`, { headers });
      expect(await response.text()).not.toBe(mine);
      expect(response.headers.getSetCookie()).toHaveLength(1);
    });
  });

  it('tries the only instance again after a pause, when it broke off without an answer', async () => {
    const shaky = await instance((response) => {
      if (shaky.seen.length === 1) response.socket?.resetAndDestroy();
      else response.end('back');
    });
    const gateway = await gatewayOf({ a: shaky.port }, { engine });
    const response = await fetch(`${gateway.url}/api`);
    expect(await response.text()).toBe('back');
    const line = await lineOf(gateway, response);
    expect(line).toMatchObject({
      attempts: [
        { instance: 'a', end: 'failed', error: 'upstream_reset' },
        { instance: 'a', kind: 'retry', end: 'answered' },
      ],
    });
    expect(line['duration_ms']).toBeGreaterThanOrEqual(24);
  });
});
