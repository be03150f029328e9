import http from 'node:http';

import { afterEach, describe, expect, it } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import type { RouteConfig, ServiceConfig } from '../../gateway/src/config/gateway-config.ts';
import type { ConfigAttempt } from '../../gateway/src/config/config-control.ts';
import { eventually } from '../kit/eventually.ts';
import { holding, startFleet, type Fleet } from '../kit/fleet.ts';
import { get } from '../kit/load.ts';
import { testConfig, type TestConfig } from '../kit/start-gateway.ts';

const cleanups: (() => PromiseLike<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function route(prefix: string, service: string, more: Partial<RouteConfig> = {}): RouteConfig {
  const [route] = defaults.routes;
  return { ...route!, prefix, service, source: 'config', ...more };
}

function service(name: string, settings: ServiceConfig['settings']): ServiceConfig {
  return { service: name, instances: undefined, settings };
}

describe.each(['wire', 'http-proxy'] as const)('reconfigure through the %s engine', (engine) => {
  async function start(config: TestConfig = {}) {
    const fleet = await startFleet({ engine, ...config });
    cleanups.push(() => fleet[Symbol.asyncDispose]());
    const change = (next: TestConfig): Promise<ConfigAttempt> =>
      fleet.gateway.gateway.reconfigure(testConfig({ engine, ...next }));
    return { fleet, change };
  }
  const statusOf = async (fleet: Fleet, path: string): Promise<number> =>
    (await get(fleet.gateway.url + path)).status;

  it('changes routes and fixed lists, on connections that are open, and lets requests under way finish', async () => {
    const { fleet, change } = await start();
    const [a, fixed] = [await fleet.join('a'), await fleet.start('fixed')];
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => {
      agent.destroy();
    });
    expect(await get(`${fleet.gateway.url}/`, agent)).toEqual({ status: 200, body: 'a' });
    const { handler, held } = holding();
    a.answer(handler);
    const underWay = get(`${fleet.gateway.url}/slow`);
    await eventually(() => {
      expect(held).toHaveLength(1);
    });

    const instances = [{ address: '127.0.0.1', port: fixed.port }];
    expect(
      await change({
        routes: [route('/new', 'webapp-service'), route('/fixed', 'fixed-service')],
        services: [{ service: 'fixed-service', instances, settings: {} }],
      }),
    ).toMatchObject({ outcome: 'applied', changed: ['routes', 'services'], needRestart: [] });
    expect((await get(`${fleet.gateway.url}/`, agent)).status).toBe(404);
    expect(await get(`${fleet.gateway.url}/fixed`, agent)).toEqual({ status: 200, body: 'fixed' });
    held[0]?.end('late');
    expect(await underWay).toEqual({ status: 200, body: 'late' });
    a.answer(undefined);
    expect(await get(`${fleet.gateway.url}/new/x`, agent)).toEqual({ status: 200, body: 'a' });

    expect(await change({})).toMatchObject({ changed: ['routes', 'services'] });
    expect(await get(`${fleet.gateway.url}/`, agent)).toEqual({ status: 200, body: 'a' });
    expect(await statusOf(fleet, '/fixed')).toBe(200);
  });

  it('changes how a service is shared, protected and checked', async () => {
    const { fleet, change } = await start();
    const a = await fleet.join('a');
    const { handler, held } = holding();
    a.answer(handler);
    await change({
      services: [service('webapp-service', { maxConnections: 1, balance: 'least-requests' })],
    });
    expect((await fleet.service()).balance).toBe('least-requests');
    const first = get(`${fleet.gateway.url}/`);
    await eventually(() => {
      expect(held).toHaveLength(1);
    });
    await change({ services: [service('webapp-service', { maxConnections: 1, queue: { limit: 0 } })] });
    expect((await fleet.service()).balance).toBe('round-robin');
    expect(await statusOf(fleet, '/')).toBe(503);
    held[0]?.end('a');
    expect((await first).status).toBe(200);

    a.answer((_, response) => response.writeHead(500).end());
    const checks = { kind: 'http', path: '/healthz', intervalMs: 20, timeoutMs: 20, fall: 1 } as const;
    await change({ services: [service('webapp-service', { checks })] });
    await eventually(async () => {
      expect((await fleet.service()).instances).toMatchObject([{ check: 'down' }]);
    });
    await change({});
    await eventually(async () => {
      expect((await fleet.service()).instances).toMatchObject([{ check: 'unchecked' }]);
    });
  });

  it('changes timeouts and retries, globally and of a route', async () => {
    const { fleet, change } = await start();
    const a = await fleet.join('a');
    a.answer(holding().handler);
    await change({ timeouts: { responseHeadMs: 50 } });
    expect(await statusOf(fleet, '/')).toBe(504);
    const b = await fleet.join('b');
    const failing = (_: unknown, response: http.ServerResponse): void => {
      response.writeHead(503).end();
    };
    a.answer(failing);
    b.answer(failing);
    const before = a.requests + b.requests;
    await change({ retry: { ...defaults.retry, statuses: [503] } });
    expect(await statusOf(fleet, '/')).toBe(503);
    expect(a.requests + b.requests - before).toBe(2);
    await change({ routes: [route('/', 'webapp-service', { retry: { attempts: 1 } })] });
    expect(await statusOf(fleet, '/')).toBe(503);
    expect(a.requests + b.requests - before).toBe(3);
  });

  it('changes the limits of the listener, trust in proxies and addresses, and the access log', async () => {
    const { fleet, change } = await start();
    const a = await fleet.join('a');
    a.answer((request, response) => {
      request.resume();
      response.end(request.headers['x-forwarded-for']);
    });
    const post = async (): Promise<number> =>
      (await fetch(fleet.gateway.url, { method: 'POST', body: 'more than ten bytes' })).status;
    const client = async (): Promise<string> =>
      (await get(fleet.gateway.url, undefined, { 'x-forwarded-for': '192.0.2.7' })).body;
    expect([await post(), await client()]).toEqual([200, '127.0.0.1']);
    const lines = (): number => fleet.gateway.log().split('"request_id"').length;
    await eventually(() => {
      expect(lines()).toBe(3);
    });
    expect(
      await change({
        limits: { bodyBytes: 10 },
        trustedProxies: ['127.0.0.0/8'],
        log: { level: 'info', access: 'off' },
      }),
    ).toMatchObject({
      outcome: 'applied',
      changed: ['trustedProxies', 'limits.bodyBytes', 'log.access'],
      needRestart: [],
    });
    expect([await post(), await client()]).toEqual([413, '192.0.2.7, 127.0.0.1']);
    await change({});
    expect([await post(), await client()]).toEqual([200, '127.0.0.1']);
    await eventually(() => {
      expect(lines()).toBe(5);
    });
    await change({ addresses: { allow: [], deny: ['127.0.0.1'], loopback: 'auto' } });
    expect([await post(), (await fleet.service()).instances]).toEqual([503, []]);
    await change({ pseudonym: 'other' });
    expect([await post(), await statusOf(fleet, '/')]).toEqual([200, 200]);
  });

  it('says which fields need a restart, and goes on with the values they had', async () => {
    const { fleet, change } = await start();
    await fleet.join('a');
    const other = engine === 'wire' ? 'http-proxy' : 'wire';
    const listen = { host: '127.0.0.1', port: 1 };
    const result = await change({ engine: other, listen, poolIdleMs: 1, hedgeAfterMs: 5 });
    expect(result).toMatchObject({
      outcome: 'applied',
      changed: ['hedgeAfterMs'],
      needRestart: ['listen.port', 'engine', 'poolIdleMs'],
    });
    expect(await fleet.ask(1)).toEqual(['a']);
    expect(JSON.parse((await get(`${fleet.gateway.adminUrl}/api/summary`)).body)).toMatchObject({
      engine,
      phase: 'serving',
      instances: 1,
    });
    // Back to what runs: nothing is left to be restarted for.
    expect(await change({})).toMatchObject({
      outcome: 'applied',
      changed: ['hedgeAfterMs'],
      needRestart: [],
    });
    await eventually(() => {
      expect(fleet.gateway.log()).toContain('These fields need a restart: listen.port, engine, poolIdleMs.');
    });
  });

  it('applies nothing of a configuration that is not valid', async () => {
    const { fleet, change } = await start();
    await fleet.join('a');
    const result = await change({
      routes: [route('/only', 'webapp-service'), route('/only', 'api-service')],
      limits: { bodyBytes: 1 },
      trustedProxies: ['127.0.0.0/8'],
    });
    expect(result).toMatchObject({
      outcome: 'invalid',
      problems: [{ place: 'routes[1]', message: 'claims /only again; routes[0] has it already' }],
    });
    expect(await fleet.ask(1)).toEqual(['a']);
    expect((await fetch(fleet.gateway.url, { method: 'POST', body: 'ab' })).status).toBe(200);
    expect(await change({})).toMatchObject({ outcome: 'unchanged', needRestart: [] });
  });
});

it('changes the admin token', async () => {
  const fleet = await startFleet();
  cleanups.push(() => fleet[Symbol.asyncDispose]());
  await fleet.join('a');
  const release = async (headers: Record<string, string> = {}): Promise<number> => {
    const url = `${fleet.gateway.adminUrl}/api/services/webapp-service/release`;
    return (await fetch(url, { method: 'POST', headers })).status;
  };
  expect(await release()).toBe(200);
  const admin = { host: '127.0.0.1', port: 0, token: 'a token of the operator', hosts: [] };
  expect(await fleet.gateway.gateway.reconfigure(testConfig({ admin }))).toMatchObject({
    outcome: 'invalid',
  });
  const token = 'a-token-of-the-operator';
  await fleet.gateway.gateway.reconfigure(testConfig({ admin: { ...admin, token } }));
  expect([await release(), await release({ authorization: `Bearer ${token}` })]).toEqual([401, 200]);
});
