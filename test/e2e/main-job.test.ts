import { setTimeout as sleep } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get, startLoad, type Load, type LoadReport } from '../kit/load.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess, startServiceProcess, untilPassing } from '../kit/system.ts';

/** Requests per second of the loads below. */
const rate = 300;

/** Waits until so many more requests have been answered: a condition, whatever the speed of the machine. */
async function answered(load: Load, more: number): Promise<LoadReport> {
  const target = load.report().answered + more;
  return eventually(() => {
    const report = load.report();
    if (report.answered < target)
      throw new Error(`${report.answered} of ${target} answered; ${report.failures.join('; ')}`);
    return report;
  }, 30_000);
}

consulOrSkip('the main job with real processes', (path) => {
  it('shares ten requests over two instances five each, and keeps /apiary for the webapp', async () => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using _one = await startServiceProcess('api', consul.address);
    await using _two = await startServiceProcess('api', consul.address);
    await using _web = await startServiceProcess('webapp', consul.address);
    await untilPassing(gateway, 'api-service', 2);
    await untilPassing(gateway, 'webapp-service', 1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 10; i += 1) {
      const { instance } = JSON.parse((await get(`${gateway.url}/api/whoami`)).body) as { instance: string };
      counts.set(instance, (counts.get(instance) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([5, 5]);
    const apiary = await get(`${gateway.url}/apiary`);
    const site = await get(`${gateway.url}/`);
    expect(site.status).toBe(200);
    expect(site.body).toContain('<html');
    expect(apiary.status).toBe(404);
    expect(apiary.body).not.toContain('no_route');
  });

  it('loses no GET when an instance gets SIGTERM, another SIGKILL, and a new one joins and gets its share', async () => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using one = await startServiceProcess('api', consul.address);
    await using two = await startServiceProcess('api', consul.address);
    await using _three = await startServiceProcess('api', consul.address);
    await untilPassing(gateway, 'api-service', 3);
    const load = startLoad(`${gateway.url}/api/whoami`, rate);
    await answered(load, rate);

    expect(await one.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    await answered(load, rate);
    await two.stop('SIGKILL');
    await answered(load, rate * 2);

    await using _four = await startServiceProcess('api', consul.address);
    const joined = await eventually(async () => {
      const before = load.report().byInstance;
      const newcomer =
        (await gateway.passing('api-service')).find((id) => !before.has(id)) ?? [...before.keys()].at(-1);
      return newcomer ?? '';
    });
    const before = load.report();
    const after = await answered(load, rate);
    const share =
      ((after.byInstance.get(joined) ?? 0) - (before.byInstance.get(joined) ?? 0)) /
      (after.answered - before.answered);
    expect(share).toBeGreaterThan(0.25);
    const report = await load.stop();
    expect(report.failures).toEqual([]);
    expect(report.answered).toBe(report.sent);
  });

  it('loses no GET while Consul is killed for 20 s and comes back empty, and everything registers again within 15 s', async () => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using _one = await startServiceProcess('api', consul.address);
    await using _two = await startServiceProcess('api', consul.address);
    const ids = await untilPassing(gateway, 'api-service', 2);
    const load = startLoad(`${gateway.url}/api/whoami`, rate);
    await answered(load, rate);
    await consul.kill();
    // The outage itself is the subject: it lasts as long as the promise says.
    await sleep(20_000);
    await consul.restart();
    await eventually(async () => {
      const { body } = await get(`${consul.address}/v1/health/service/api-service?passing`);
      const back = (JSON.parse(body) as { Service: { ID: string } }[])
        .map(({ Service }) => Service.ID)
        .sort();
      expect(back).toEqual([...ids].sort());
    }, 15_000);
    await gateway.process.waitFor(/Following the registry again/, 20_000);
    await answered(load, rate);
    const report = await load.stop();
    expect(report.failures).toEqual([]);
    expect([...report.byInstance.keys()].sort()).toEqual([...ids].sort());
  });

  it('serves again after kill -9 of the gateway, on the same port, with nothing to clean up', async () => {
    await using consul = await startRealConsul({ path });
    await using _api = await startServiceProcess('api', consul.address);
    const first = await startGatewayProcess(consul.address);
    const { port } = first;
    await eventually(async () => {
      expect((await get(`${first.url}/api/whoami`)).status).toBe(200);
    });
    await first.process.stop('SIGKILL');
    await using second = await startGatewayProcess(consul.address, { port });
    await eventually(async () => {
      expect((await get(`${second.url}/api/whoami`)).status).toBe(200);
    });
  });

  it('routes what was registered by other means with a urlprefix tag, and forgets nothing that was claimed', async () => {
    await using consul = await startRealConsul({ path });
    await using gateway = await startGatewayProcess(consul.address);
    await using api = await startServiceProcess('api', consul.address, { SERVICE_NAME: 'orders' });
    const registered = /at 127\.0\.0\.1:(\d+)/.exec(api.output())?.[1] ?? '';
    const put = (target: string, body: unknown) =>
      fetch(`${consul.address}${target}`, { method: 'PUT', body: JSON.stringify(body) });
    await put('/v1/agent/service/register', {
      Name: 'legacy',
      ID: 'legacy-1',
      Address: '127.0.0.1',
      Port: Number(registered),
      Tags: ['urlprefix-/legacy strip=/legacy'],
    });
    await eventually(async () => {
      expect(JSON.parse((await get(`${gateway.url}/legacy/api/whoami`)).body)).toMatchObject({
        service: 'orders',
      });
    });
    expect((await get(`${gateway.url}/legacyx`)).status).toBe(404);
    await put('/v1/agent/service/deregister/legacy-1', null);
    await eventually(async () => {
      expect((await get(`${gateway.url}/legacy/x`)).status).toBe(503);
    });
    expect((await get(`${gateway.adminUrl}/readyz`)).status).toBe(200);
  });
});
