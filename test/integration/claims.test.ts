import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { routeConfig } from '../kit/builders.ts';
import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startTestGateway, type TestConfig } from '../kit/start-gateway.ts';

/** Who gets which path, over HTTP and with a Consul whose records say what they like. */

/** A server that answers with its name. */
async function origin(name: string): Promise<number> {
  const server = http.createServer((_request, response) => response.end(name)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function world() {
  const consul = await startRealConsul();
  onTestFinished(() => consul.stop());
  const put = async (path: string, body: unknown): Promise<void> => {
    const { status } = await fetch(`${consul.address}${path}`, { method: 'PUT', body: JSON.stringify(body) });
    expect(status).toBe(200);
  };
  return {
    start: async (config: TestConfig = {}) => {
      const gateway = await startTestGateway(config, { consulUrl: consul.address });
      onTestFinished(() => gateway[Symbol.asyncDispose]());
      await eventually(async () => {
        expect((await get(`${gateway.adminUrl}/readyz`)).status).toBe(200);
      });
      return {
        ...gateway,
        /** The status and the body of a path, as soon as they are these. */
        leads: (path: string, status: number, body?: string) =>
          eventually(async () => {
            const answer = await get(`${gateway.url}${path}`);
            expect([answer.status, body === undefined ? undefined : answer.body]).toEqual([status, body]);
          }),
      };
    },
    register: (
      Name: string,
      Tags: readonly string[],
      Port: number,
      more: Readonly<Record<string, unknown>> = {},
    ) => put('/v1/agent/service/register', { Name, ID: Name, Tags, Port, Address: '127.0.0.1', ...more }),
    deregister: (id: string) => put(`/v1/agent/service/deregister/${encodeURIComponent(id)}`, null),
  };
}

consulOrSkip('who has a path', () => {
  it('a built-in path is 404 before its service, 503 after it, and 404 when it is released', async () => {
    const { start, register, deregister } = await world();
    const gateway = await start();
    await gateway.leads('/api', 404);
    await register('api-service', [], await origin('api'));
    await gateway.leads('/api', 200, 'api');
    await gateway.leads('/', 404);
    await deregister('api-service');
    await gateway.leads('/api', 503);
    await eventually(async () => {
      const { body } = await get(`${gateway.adminUrl}/api/routes?format=text`);
      expect(body).toMatch(/^\/api .* remembered: no instance for \d+ s, forgotten in 2[34] h \d+ min$/m);
    });
    await fetch(`${gateway.adminUrl}/api/routes/release?route=/api`, { method: 'POST' });
    await gateway.leads('/api', 404);
    await register('api-service', [], await origin('api again'));
    await gateway.leads('/api', 200, 'api again');
  });

  it('the 503 of a path names its owner and who else claims it, and a sidecar owns nothing', async () => {
    const { start, register, deregister } = await world();
    const tags = ['urlprefix-/pay'];
    const port = await origin('sidecar');
    await register('blue-sidecar-proxy', tags, port, {
      Kind: 'connect-proxy',
      Proxy: { DestinationServiceName: 'blue' },
    });
    const gateway = await start();
    await gateway.leads('/pay', 404);
    await register('blue', tags, await origin('blue'));
    await gateway.leads('/pay', 200, 'blue');
    await register('green', tags, await origin('green'));
    await eventually(() => {
      expect(gateway.gateway.registry.rejected).toMatchObject([{ service: 'green' }]);
    });
    await gateway.leads('/pay', 200, 'blue');
    await deregister('blue');
    await gateway.leads('/pay', 503);
    const { body } = await get(`${gateway.url}/pay`);
    expect(body).toContain('blue');
    expect(body).toContain('green');
    expect(body).not.toContain('sidecar');
    await fetch(`${gateway.adminUrl}/api/routes/release?route=/pay`, { method: 'POST' });
    await gateway.leads('/pay', 200, 'green');
  });

  it('owners take turns at once', async () => {
    const { start, register, deregister } = await world();
    await register('blue', [], await origin('blue'));
    await register('green', [], await origin('green'));
    const gateway = await start({
      routes: [routeConfig('/pay', 'blue', { owners: ['blue', 'green'] })],
    });
    await gateway.leads('/pay', 200, 'blue');
    await deregister('blue');
    await gateway.leads('/pay', 200, 'green');
    await register('blue', [], await origin('blue'));
    await deregister('green');
    await gateway.leads('/pay', 200, 'blue');
  });

  it('internal and external gateways share one Consul', async () => {
    const { start, register } = await world();
    await register('shop', ['public', 'public-/shop', 'urlprefix-/shop-in'], await origin('shop'));
    await register('books', ['urlprefix-/books', 'public-/books'], await origin('books'));
    await register('api-service', [], await origin('api'));
    const inside = await start();
    const outside = await start({ routes: [], discovery: { tagPrefix: 'public-', onlyTags: ['public'] } });
    await inside.leads('/shop-in', 200, 'shop');
    await inside.leads('/books', 200, 'books');
    await inside.leads('/api', 200, 'api');
    await outside.leads('/shop', 200, 'shop');
    const other = await Promise.all(
      [`${inside.url}/shop`, ...['/shop-in', '/books', '/api'].map((path) => outside.url + path)].map(
        async (url) => (await get(url)).status,
      ),
    );
    expect(other).toEqual([404, 404, 404, 404]);
    expect(defaults.discovery).toEqual({ tagPrefix: 'urlprefix-', onlyTags: [] });
  });

  it('every name that Consul takes is routed', async () => {
    const { start, register } = await world();
    const names = [
      'a.b',
      'UPPER',
      'under_score',
      '_lead',
      '-tail-',
      'a b',
      'ü',
      'a/b',
      'a%2fb',
      'a?b',
      'a#b',
      '__proto__',
    ];
    for (const [at, name] of names.entries()) await register(name, [`urlprefix-/n${at}`], await origin(name));
    await register('SHOP', ['urlprefix-/shop'], await origin('shop'));
    await register('shop', ['urlprefix-/shop'], await origin('shop'));
    await register('API-Service', ['urlprefix-/api', 'urlprefix-/more'], await origin('api'));
    await register('.', ['urlprefix-/dot'], await origin('dot'));
    const services = [{ service: 'a b', instances: undefined, settings: { maxRetries: 1 } }];
    const gateway = await start({ services });
    for (const [at, name] of names.entries()) await gateway.leads(`/n${at}`, 200, name);
    for (const path of ['/shop', '/shop', '/shop']) await gateway.leads(path, 200, 'shop');
    for (const path of ['/api', '/more']) await gateway.leads(path, 200, 'api');
    expect(gateway.gateway.registry.rejected).toEqual([]);
    expect(gateway.gateway.registry.refusedServices).toEqual(['.']);
    expect(gateway.log()).not.toContain('is rejected');
  });
});
