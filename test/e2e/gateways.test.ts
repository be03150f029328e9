import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get, startLoad } from '../kit/load.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess, startServiceProcess, untilPassing } from '../kit/system.ts';

/** Instances of a service that Consul calls passing, with their meta. */
async function passingInConsul(consul: string, service: string, count: number) {
  return eventually(async () => {
    const { body } = await get(`${consul}/v1/health/service/${service}?passing`);
    const rows = JSON.parse(body) as { Service: { Port: number; Meta: Record<string, string> } }[];
    expect(rows).toHaveLength(count);
    return rows.map(({ Service }) => Service);
  }, 20_000);
}

function startFixture(consul: string, fixture: string, env: Record<string, string>): Promise<TestProcess> {
  return startProcess({
    args: [`test/e2e/fixtures/${fixture}`],
    env: { CONSUL_HTTP_ADDR: consul, SERVICE_NAME: 'things', SERVICE_ROUTE: '/things', ...env },
  });
}

consulOrSkip('gateways and instances that know each other', (path) => {
  it('are two and confirm: live when an instance comes, drained before it closes; nothing is lost at either', async () => {
    await using consul = await startRealConsul({ path });
    await using one = await startGatewayProcess(consul.address);
    await using two = await startGatewayProcess(consul.address);
    await passingInConsul(consul.address, 'roundhouse', 2);
    await using leaving = await startServiceProcess('api', consul.address);
    await leaving.waitFor(/live on 2\/2 gateways in \d+ ms\b/);
    await using staying = await startServiceProcess('api', consul.address);
    await staying.waitFor(/live on 2\/2 gateways in \d+ ms\b/);
    const loads = [one, two].map(({ url }) => startLoad(`${url}/api/whoami`, 150));
    await eventually(() => {
      for (const load of loads) expect(load.report().byInstance.size).toBe(2);
    });
    expect(await leaving.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(leaving.output()).toMatch(/draining acknowledged by 2\/2 gateways in \d+ ms\b/);
    for (const load of loads) expect((await load.stop()).failures).toEqual([]);

    // One gateway leaves in order: the next instance asks the other alone.
    expect(await two.process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await staying.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(staying.output()).toMatch(/draining acknowledged by 1\/1 gateways in \d+ ms\b/);
  });

  it('ask who answers: a stranger on the port of an instance that died gets no request', async () => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using own = await startFixture(consul.address, 'listens-itself.mjs', {});
    const [service] = await passingInConsul(consul.address, 'things', 1);
    expect(service?.Meta['roundhouse-identity']).toBe('1');
    await eventually(async () => {
      expect((await get(`${gateway.url}/things/x`)).body).toContain('own-listener');
    });
    await own.stop('SIGKILL');
    await using stranger = await startProcess({
      args: ['test/e2e/fixtures/stranger.mjs'],
      env: { PORT: String(service?.Port) },
    });
    await stranger.waitFor(/ready/);
    for (let i = 0; i < 20; i += 1) {
      const { status, body } = await get(`${gateway.url}/things/x`);
      expect([502, 503]).toContain(status);
      expect(body).not.toContain('stranger');
    }
    expect(stranger.output()).toMatch(/asked for \/\.well-known\/roundhouse\/instance\n/);
    expect(stranger.output()).not.toContain('/x');
    // Back at once when the instance itself is: its own server again, on the same port.
    await stranger.stop('SIGKILL');
    await using again = await startFixture(consul.address, 'listens-itself.mjs', {
      PORT: String(service?.Port),
    });
    await again.waitFor(/registered /);
    await eventually(async () => {
      expect((await get(`${gateway.url}/things/x`)).body).toContain('own-listener');
    });
  });

  it('serve from the saved table when the gateway was killed, starts without Consul, and Consul comes back empty', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'roundhouse-e2e-'));
    try {
      const file = join(folder, 'table.json');
      const env = { GATEWAY_SAVED_TABLE: file };
      await using consul = await startRealConsul({ path });
      await using api = await startServiceProcess('api', consul.address);
      await using first = await startGatewayProcess(consul.address, { env });
      const [id = ''] = await untilPassing(first, 'api-service', 1);
      await eventually(async () => {
        expect(await readFile(file, 'utf8')).toContain(id);
      }, 15_000);
      await first.process.stop('SIGKILL');
      await consul.kill();
      await using second = await startGatewayProcess(consul.address, { env });
      const load = startLoad(`${second.url}/api/whoami`, 100);
      expect((await get(`${second.adminUrl}/readyz`)).status).toBe(200);
      expect((await get(`${second.adminUrl}/api/services`)).body).toContain('"stale"');
      await consul.restart();
      await second.process.waitFor(/Following the registry again/, 30_000);
      await untilPassing(second, 'api-service', 1, 30_000);
      const { failures, answered } = await load.stop();
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(0);
      expect(api.output()).not.toMatch(/fatal|uncaught/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
