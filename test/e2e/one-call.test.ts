import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess } from '../kit/system.ts';

consulOrSkip('one SDK call', (path) => {
  it.each([
    ['plain-http.mjs', 'plain', '/things/x?y'],
    ['common-js.cjs', 'commonjs', '/things/x?y'],
    ['listens-itself.mjs', 'own-listener', '/x?y'],
  ])('makes %s a routed service that leaves nothing behind', async (fixture, kind, seenPath) => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using service = await startProcess({
      args: [`test/e2e/fixtures/${fixture}`],
      env: { CONSUL_HTTP_ADDR: consul.address, SERVICE_NAME: 'things', SERVICE_ROUTE: '/things' },
    });
    await service.waitFor(/registered /);
    await eventually(async () => {
      const { status, body } = await get(`${gateway.url}/things/x?y`);
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ kind, path: seenPath });
    });
    expect(await service.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    const { body } = await get(`${consul.address}/v1/agent/services`);
    expect(body).not.toContain('things');
    expect(service.output()).not.toMatch(/Warning/);
  });

  it('serves without a Consul, says so, and registers when there is one', async () => {
    const consul = await startRealConsul({ path });
    await consul.kill();
    await using service = await startProcess({
      args: ['test/e2e/fixtures/plain-http.mjs'],
      env: {
        CONSUL_HTTP_ADDR: consul.address,
        SERVICE_NAME: 'early',
        SERVICE_ROUTE: '/early',
        PORT: '0',
        HOST: '127.0.0.1',
      },
    });
    const [, port = ''] = await service.waitFor(/listening on [^ ]*:(\d+)/);
    await service.waitFor(/Cannot reach Consul at .*ECONNREFUSED, from CONSUL_HTTP_ADDR/);
    // The handle, whose id this handler answers with, is there once the first attempt has been given its chance.
    await eventually(async () => {
      expect((await get(`http://127.0.0.1:${port}/early`)).status).toBe(200);
    });
    await consul.restart();
    await service.waitFor(/registered /, 20_000);
    await consul.stop();
  });

  it('leaves in order when an exception escapes, unless the program handles that itself', async () => {
    await using consul = await startRealConsul({ path });
    const start = (env: Record<string, string>) =>
      startProcess({
        args: ['test/e2e/fixtures/throws.mjs'],
        env: {
          CONSUL_HTTP_ADDR: consul.address,
          SERVICE_NAME: 'things',
          SERVICE_ROUTE: '/things',
          HOST: '127.0.0.1',
          ...env,
        },
      });
    const throwIn = async (service: TestProcess) => {
      const [, port = ''] = await service.waitFor(/listening on [^ ]*:(\d+)/);
      await service.waitFor(/registered /);
      expect((await get(`http://127.0.0.1:${port}/throw`)).status).toBe(200);
      return port;
    };
    await using plain = await start({});
    await throwIn(plain);
    expect(await plain.ended).toEqual({ code: 1, signal: null });
    expect(plain.output()).toMatch(/uncaught error, the process will exit with 1: Error: escaped/);
    expect((await get(`${consul.address}/v1/agent/services`)).body.trim()).toBe('{}');

    await using handling = await start({ OWN_HANDLER: '1' });
    const port = await throwIn(handling);
    await handling.waitFor(/own handler: escaped/);
    expect((await get(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect(await handling.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(handling.output()).not.toContain('uncaught error');
  });
});
