import { afterEach, describe, expect, it } from 'vitest';
import { createApiApp } from './app.ts';

const identity = () => ({ name: 'api-service', id: 'api-service-x7k2', port: 4711 });
const apps: ReturnType<typeof createApiApp>[] = [];

function createApp(source: Parameters<typeof createApiApp>[0]['identity'] = identity) {
  const app = createApiApp({ identity: source, logLevel: 'silent' });
  apps.push(app);
  return app;
}

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

describe('GET /api/whoami', () => {
  it('names service, instance, process and port, and counts the requests', async () => {
    const app = createApp();
    await app.inject('/api/headers');
    await app.inject('/healthz');
    const answer = await app.inject('/api/whoami');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json()).toEqual({
      service: 'api-service',
      instance: 'api-service-x7k2',
      pid: process.pid,
      port: 4711,
      requests: 2,
    });
  });

  it('waits for an identity that is not known yet', async () => {
    let known: (value: ReturnType<typeof identity>) => void = () => undefined;
    const app = createApp(() => new Promise((resolve) => (known = resolve)));
    const answer = app.inject('/api/whoami');
    await app.inject('/healthz');
    known({ name: 'api-service', id: 'api-service-late', port: 1 });
    expect((await answer).json()).toMatchObject({ instance: 'api-service-late' });
  });
});

describe('GET /api', () => {
  it('says who answers and what there is to try', async () => {
    const answer = await createApp().inject('/api');
    expect(answer.json()).toMatchObject({ instance: 'api-service-x7k2' });
    expect(answer.body).toContain('/api/whoami');
  });
});

describe('GET /api/status', () => {
  it.each([200, 204, 301, 304, 404, 418, 500, 503, 599])('answers %i when asked to', async (code) => {
    expect((await createApp().inject(`/api/status?code=${code}`)).statusCode).toBe(code);
  });

  it.each([204, 205, 304])('sends no content with %i', async (code) => {
    expect((await createApp().inject(`/api/status?code=${code}`)).body).toBe('');
  });

  it.each(['101', '99', '600', '-1', '2e2', 'NaN', '', '200&code=500', '200.5', '%20200'])(
    'refuses code=%s with 400',
    async (code) => {
      expect((await createApp().inject(`/api/status?code=${code}`)).statusCode).toBe(400);
    },
  );
});

describe('GET /api/slow', () => {
  it('answers after the time asked for', async () => {
    const before = performance.now();
    const answer = await createApp().inject('/api/slow?ms=30');
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
    expect(answer.json()).toEqual({ waitedMs: 30 });
  });

  it.each(['-1', '60001', 'Infinity', 'x'])('refuses ms=%s with 400', async (ms) => {
    expect((await createApp().inject(`/api/slow?ms=${ms}`)).statusCode).toBe(400);
  });
});

describe('GET /api/headers', () => {
  it('shows the field lines as they came, repeated ones included', async () => {
    const answer = await createApp().inject({
      url: '/api/headers?x=1',
      headers: { 'X-Forwarded-For': '192.0.2.1' },
    });
    expect(answer.json()).toMatchObject({ method: 'GET', target: '/api/headers?x=1' });
    expect(answer.body).toMatch(/\["x-forwarded-for","192\.0\.2\.1"\]/i);
  });
});

describe('a path without a route', () => {
  it('is a 404', async () => {
    expect((await createApp().inject('/api/nothing')).statusCode).toBe(404);
  });
});

describe('LOG_LEVEL', () => {
  it('falls back to warn when it is not a level', async () => {
    const app = createApiApp({ identity, logLevel: 'loud' });
    expect(app.log.level).toBe('warn');
    await app.close();
  });
});
