import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWebapp } from './app.ts';

let app: ReturnType<typeof createWebapp>;

beforeEach(() => {
  app = createWebapp({
    identity: () => ({ name: 'webapp-service', id: 'webapp-service-x7k2', port: 4711 }),
    logLevel: 'silent',
  });
});

afterEach(async () => {
  await app.close();
});

describe('the webapp', () => {
  it('serves a page that must not be cached, under its policy', async () => {
    const answer = await app.inject('/');
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.body).toContain('webapp-service-x7k2');
  });

  it('answers HEAD like GET, without the page', async () => {
    const answer = await app.inject({ method: 'HEAD', url: '/' });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toBe('');
  });

  it('says who it is, and counts requests but for health checks', async () => {
    await app.inject('/healthz');
    expect((await app.inject('/whoami')).json()).toEqual({
      service: 'webapp-service',
      instance: 'webapp-service-x7k2',
      pid: process.pid,
      port: 4711,
      requests: 1,
    });
  });

  it('signs its 404', async () => {
    const answer = await app.inject('/apiary');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ service: 'webapp-service' });
  });
});
