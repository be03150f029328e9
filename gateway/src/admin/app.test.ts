import { describe, expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import type { Log } from '../telemetry/log.ts';
import { buildAdminApp, type GatewayActions } from './app.ts';
import type { Exposure } from './guards.ts';
import type { Readiness, ServiceStatus } from '../status/status.ts';
import { configWorld } from '../config/testing/config-world.ts';
import { fakeStatus, idleSummary } from '../status/testing/fake-status.ts';

const hostile = '<img src=x onerror=alert(1)>\u001b[2J';

const service: ServiceStatus = {
  service: 'api-service',
  registry: 'live',
  ageMs: 1234,
  message: undefined,
  balance: 'consistent-hash',
  settings: {
    hash: 'header:x-cart',
    sticky: 'cookie',
    slowStartMs: 0,
    maxConnections: 7,
    queue: defaults.queue,
    maxRequests: 0,
    maxRetries: 0,
    panicRatio: 0.5,
    ejection: defaults.ejection,
    outliers: defaults.outliers,
    silence: defaults.silence,
    checks: { ...defaults.checks, kind: 'http', path: '/healthz' },
  },
  invalidSettings: [{ setting: `panic-ratio=${hostile}`, allowed: 'a number from 0 to 1' }],
  panic: 'calm',
  queued: 0,
  instances: [
    {
      id: 'x7k2',
      key: 'dc1/n/x7k2',
      address: '10.0.0.4',
      port: 41_823,
      status: 'passing',
      health: 'healthy',
      phase: 'serving',
      check: 'unchecked',
      checkReason: '',
      listing: 'held',
      held: { because: 'removal', forMs: 12_300, leftMs: 17_700, probe: 'alive' },
      weight: 1,
      tags: [hostile],
      meta: {},
      inFlight: 2,
      total: 17,
    },
    {
      id: hostile,
      key: 'k2',
      address: 'fd00::1',
      port: 1,
      status: 'critical',
      health: 'healthy',
      phase: 'serving',
      check: 'unchecked',
      checkReason: '',
      listing: 'listed',
      held: undefined,
      weight: 1,
      tags: [],
      meta: {},
      inFlight: 0,
      total: 0,
    },
  ],
  quarantined: [{ id: 'bad', node: 'n', reason: 'port 0' }],
};

function app(
  options: {
    exposure?: Exposure;
    readiness?: Readiness;
    broken?: boolean;
    token?: string;
    hosts?: string[];
  } = {},
) {
  const errors: unknown[] = [];
  const released: string[] = [];
  const actions: GatewayActions = {
    release: (name) => {
      if (name !== 'api-service') return undefined;
      released.push(name);
      return ['x7k2'];
    },
    releaseRoute: (name) => (name === 'shop.example/pay' ? 'blue' : undefined),
  };
  const status = fakeStatus({
    routes: () => {
      if (options.broken === true) throw new Error('secret detail');
      return [
        {
          host: undefined,
          prefix: '/api',
          service: 'api-service',
          strip: undefined,
          source: 'default',
          rivals: ['green'],
          state: 'active',
          reason: undefined,
        },
        {
          host: 'a.example',
          prefix: '/',
          service: 'gone',
          strip: undefined,
          source: 'registry',
          rivals: [],
          state: 'conflict',
          reason: 'claimed by web',
        },
        {
          host: undefined,
          prefix: '/old',
          service: 'old',
          strip: undefined,
          source: 'registry',
          rivals: [],
          state: 'remembered',
          reason: undefined,
          idleForMs: 11_520_000,
          forgottenInMs: 62_300,
        },
      ];
    },
    services: () => [service],
    readiness: () => options.readiness ?? { ready: true, detail: 'following the registry' },
    summary: () => ({ ...idleSummary, engine: 'http-proxy', routes: 2, instances: 2 }),
  });
  const quiet = (): void => undefined;
  const log: Log = {
    trace: quiet,
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (m, f) => errors.push([m, f]),
  };
  const metrics = {
    text: () => Promise.resolve('up 1\n'),
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  };
  const built = buildAdminApp(
    {
      status,
      actions,
      config: { control: configWorld().control, table: { changes: [] } },
      explain: () => ({}) as never,
      guard: () => ({ token: options.token ?? 'off', hosts: options.hosts ?? [] }),
      metrics,
      log,
    },
    options.exposure ?? 'loopback',
  );
  const get = (
    url: string,
    headers: Record<string, string> = {},
    method: 'GET' | 'POST' | 'HEAD' | 'OPTIONS' = 'GET',
    payload = '',
  ) =>
    built.inject({
      method,
      url,
      headers: { host: 'localhost:8081', ...headers },
      ...(payload === '' ? {} : { payload }),
    });
  return { get, errors, released };
}

describe('health', () => {
  it('is alive, and ready or not with the reason', async () => {
    expect((await app().get('/livez')).statusCode).toBe(200);
    const ready = await app().get('/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([
      200,
      { status: 'ready', detail: 'following the registry' },
    ]);
    const draining = await app({ readiness: { ready: false, detail: 'draining' } }).get('/readyz');
    expect([draining.statusCode, draining.json()]).toEqual([
      503,
      { status: 'not ready', detail: 'draining' },
    ]);
  });
});

describe('the API', () => {
  it('gives routes, services, one service and a summary as JSON', async () => {
    const { get } = app();
    expect((await get('/api/routes')).json()).toMatchObject({
      routes: [{ prefix: '/api' }, { state: 'conflict' }, { state: 'remembered', idleForMs: 11_520_000 }],
    });
    expect((await get('/api/services')).json()).toMatchObject({ services: [{ service: 'api-service' }] });
    expect((await get('/api/services/api-service')).json()).toMatchObject({
      settings: { maxConnections: 7, checks: { kind: 'http', path: '/healthz' } },
      invalidSettings: [{ allowed: 'a number from 0 to 1' }],
      instances: [
        { inFlight: 2, total: 17, listing: 'held', held: { because: 'removal', leftMs: 17_700 } },
        { listing: 'listed' },
      ],
    });
    expect((await get('/api/summary')).json()).toMatchObject({
      engine: 'http-proxy',
      routes: 2,
      instances: 2,
    });
  });

  it('gives tables to who asks for text', async () => {
    const { get } = app();
    const routes = await get('/api/routes?format=text');
    expect(routes.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(routes.body).toBe(
      'ROUTE       SERVICE      LIVE  STRIP  SOURCE    STATE\n' +
        '/api        api-service  1/2   -      default   active; also claimed by green\n' +
        'a.example/  gone         -     -      registry  conflict: claimed by web\n' +
        '/old        old          -     -      registry  remembered: no instance for 3 h 12 min, forgotten in 1 min 2 s\n',
    );
    const services = await get('/api/services', { accept: 'text/plain' });
    expect(services.body).toMatch(
      /^api-service {2}consistent-hash by header:x-cart, sticky cookie, check http:\/healthz {2}live {6}1\.2s +x7k2 +10\.0\.0\.4:41823 +passing \(held 12\.3s: alive\)/m,
    );
    expect(services.body).toMatch(/\n\napi-service asks for "panic-ratio=.*allowed: a number from 0 to 1\n$/);
    expect(services.body).toContain('[fd00::1]:1');
    expect(services.body).toContain('not used: port 0');
    expect((await get('/api/routes?format=json', { accept: 'text/plain' })).json()).toBeTypeOf('object');
  });

  it('refuses a format that there is not, and one given twice', async () => {
    expect((await app().get('/api/routes?format=xml')).statusCode).toBe(400);
    expect((await app().get('/api/routes?format=text&format=json')).statusCode).toBe(400);
  });

  it('shows hostile names as data: no control reaches a terminal, nothing is HTML', async () => {
    const { get } = app();
    const text = (await get('/api/services?format=text')).body;
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    const json = await get('/api/services');
    expect(json.headers['content-type']).toContain('application/json');
    expect(json.headers['x-content-type-options']).toBe('nosniff');
  });
});

describe('answers to odd requests', () => {
  it('are problem documents: 404, 405, 400, 500 without detail', async () => {
    const { get, errors } = app({ broken: true });
    for (const [url, method, status] of [
      ['/nope', 'GET', 404],
      ['/api/services/nobody', 'GET', 404],
      ['/api/services/__proto__', 'GET', 404],
      ['/api/services/a%2fb', 'GET', 404],
      ['/api/routes', 'POST', 405],
      ['/nope', 'OPTIONS', 405],
      ['/%zz', 'GET', 400],
      ['/api/routes', 'GET', 500],
    ] as const) {
      const reply = await get(url, {}, method);
      expect([url, method, reply.statusCode]).toEqual([url, method, status]);
      expect(reply.headers['content-type']).toContain('application/problem+json');
      expect(reply.headers['cache-control']).toBe('no-store');
      expect(reply.json()).toMatchObject({ status });
      expect(reply.body).not.toContain('secret detail');
    }
    expect(errors).toHaveLength(1);
  });

  it.each(['loopback', 'network'] as const)(
    'refuse a foreign Host or Origin for every path, on %s',
    async (exposure) => {
      for (const url of ['/', '/livez', '/metrics', '/api/routes', '/nope']) {
        expect((await app({ exposure }).get(url, { host: 'evil.example' })).statusCode).toBe(403);
        expect((await app({ exposure }).get(url, { origin: 'https://evil.example' })).statusCode).toBe(403);
      }
      const named = app({ exposure, hosts: ['gw.internal'] });
      expect((await named.get('/livez', { host: 'gw.internal:8081' })).statusCode).toBe(200);
    },
  );

  it('answers no request with a body: 413, whatever method, type and framing', async () => {
    const { get, errors, released } = app();
    const path = '/api/services/api-service/release';
    for (const [url, method, headers] of [
      [path, 'POST', { 'content-type': 'application/json' }],
      [path, 'POST', { 'content-type': 'image/png' }],
      ['/api/routes', 'GET', {}],
    ] as const)
      expect((await get(url, headers, method, '{"a":1}')).statusCode).toBe(413);
    expect((await get('/api/routes', { 'transfer-encoding': 'chunked' })).statusCode).toBe(413);
    expect([errors, released]).toEqual([[], []]);
    const empty = { 'content-type': 'application/json', 'content-length': '0' };
    expect((await get(path, empty, 'POST')).statusCode).toBe(200);
  });

  it('reads nothing without the token once one is set, but for what orchestrators ask', async () => {
    const token = 'a-long-secret-token';
    const { get } = app({ token, exposure: 'network' });
    for (const url of ['/', '/metrics', '/api/routes', '/api/services', '/api/summary', '/nope']) {
      expect([url, (await get(url)).statusCode]).toEqual([url, 401]);
      const known = await get(url, { authorization: `Bearer ${token}` });
      expect([url, known.statusCode]).toEqual([url, url === '/nope' ? 404 : 200]);
    }
    expect((await get('/livez')).statusCode).toBe(200);
    expect((await get('/readyz')).json()).toEqual({ status: 'ready' });
    expect((await get('/readyz', { authorization: `Bearer ${token}` })).json()).toMatchObject({
      detail: 'following the registry',
    });
  });
});

describe('POST /api/routes/release', () => {
  it('takes a route from its owner', async () => {
    const { get } = app();
    const reply = await get('/api/routes/release?route=shop.example%2Fpay', {}, 'POST');
    expect(reply.json()).toEqual({ route: 'shop.example/pay', released: 'blue' });
    for (const query of ['', '?route=', '?route=/other', '?route=/a&route=/b'])
      expect((await get(`/api/routes/release${query}`, {}, 'POST')).statusCode).toBe(404);
    expect((await get('/api/routes/release?route=/pay')).statusCode).toBe(404);
  });

  it('asks for the token once one is set', async () => {
    const { get } = app({ token: 'a-long-secret-token' });
    expect((await get('/api/routes/release?route=shop.example/pay', {}, 'POST')).statusCode).toBe(401);
  });
});

describe('POST /api/services/NAME/release', () => {
  const path = '/api/services/api-service/release';

  it('lets held instances go, from this machine while no token is set', async () => {
    const { get, released } = app();
    const reply = await get(path, {}, 'POST');
    expect(reply.json()).toEqual({ service: 'api-service', released: ['x7k2'] });
    expect((await get('/api/services/nobody/release', {}, 'POST')).statusCode).toBe(404);
    expect(released).toEqual(['api-service']);
  });

  it('asks for the token once one is set, and never answers others without one', async () => {
    const { get, released } = app({ token: 'a-long-secret-token' });
    const refused = await get(path, { authorization: 'Bearer other' }, 'POST');
    expect([refused.statusCode, refused.headers['www-authenticate']]).toEqual([
      401,
      'Bearer realm="roundhouse admin"',
    ]);
    expect((await app({ exposure: 'network' }).get(path, {}, 'POST')).statusCode).toBe(403);
    expect((await get(path, { origin: 'https://evil.example' }, 'POST')).statusCode).toBe(403);
    expect(released).toEqual([]);
    expect((await get(path, { authorization: 'Bearer a-long-secret-token' }, 'POST')).statusCode).toBe(200);
    expect(released).toEqual(['api-service']);
  });

  it('is not done for a page of another port of this machine', async () => {
    const { get, released } = app();
    for (const headers of [
      { origin: 'http://localhost:3000' },
      { origin: 'https://localhost:8081' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site' },
    ])
      expect((await get(path, headers, 'POST')).statusCode).toBe(403);
    expect(released).toEqual([]);
    const own = { origin: 'http://localhost:8081', 'sec-fetch-site': 'same-origin' };
    expect((await get(path, own, 'POST')).statusCode).toBe(200);
  });

  it('is not done by reading', async () => {
    const { get, released } = app();
    expect((await get(path)).statusCode).toBe(404);
    expect(released).toEqual([]);
  });
});

describe('pages', () => {
  it('all carry the safety headers and allow no framing and no foreign script', async () => {
    for (const url of ['/', '/livez', '/readyz', '/metrics', '/api/routes', '/nope']) {
      const { headers } = await app().get(url);
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    }
  });

  it('start with an index, as HTML for browsers and text for the rest', async () => {
    const html = await app().get('/', { accept: 'text/html,*/*' });
    expect(html.headers['content-type']).toContain('text/html');
    expect(html.body).toContain('<a href="/api/routes">');
    expect((await app().get('/')).body).toContain('/readyz');
  });

  it('include the metrics under their own content type', async () => {
    const reply = await app().get('/metrics');
    expect(reply.body).toBe('up 1\n');
    expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  });
});
