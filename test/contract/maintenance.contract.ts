import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { ContractSubject } from './registry.contract.ts';

export function maintenanceContract({ http, name }: ContractSubject): void {
  const passing = async (): Promise<number> =>
    ((await http().get(`/health/service/${name()}?passing`)).json as unknown[]).length;
  const register = async (): Promise<void> => {
    const check = { CheckID: `${name()}:ttl`, TTL: '30s', Status: 'passing' };
    await http().put('/agent/service/register', { Name: name(), Check: check });
    await eventually(async () => {
      expect(await passing()).toBe(1);
    });
  };

  it('is a critical check of the service with the reason in its notes, and goes when it is turned off', async () => {
    await register();
    const path = `/agent/service/maintenance/${name()}`;
    expect(await http().put(`${path}?enable=true&reason=going+away`)).toMatchObject({
      status: 200,
      text: '',
    });
    await eventually(async () => {
      const checks = (await http().get(`/health/checks/${name()}`)).json;
      expect(checks).toMatchObject([
        {
          CheckID: `_service_maintenance:${name()}`,
          Name: 'Service Maintenance Mode',
          Status: 'critical',
          Notes: 'going away',
          Type: 'maintenance',
          ServiceID: name(),
        },
        { CheckID: `${name()}:ttl`, Status: 'passing' },
      ]);
      expect(await passing()).toBe(0);
    });
    expect(await http().put(`${path}?enable=false`)).toMatchObject({ status: 200 });
    await eventually(async () => {
      expect(await passing()).toBe(1);
    });
  });

  it('stays as it is when it is turned on twice', async () => {
    await register();
    await http().put(`/agent/service/maintenance/${name()}?enable=true&reason=first`);
    await http().put(`/agent/service/maintenance/${name()}?enable=true&reason=second`);
    const checks = (await http().get('/agent/checks')).json as Record<string, { Notes: string }>;
    expect(checks[`_service_maintenance:${name()}`]?.Notes).toBe('first');
  });

  it('outlasts a registration, and goes with the service', async () => {
    await register();
    await http().put(`/agent/service/maintenance/${name()}?enable=true`);
    const check = { CheckID: `${name()}:ttl`, TTL: '30s' };
    await http().put('/agent/service/register', { Name: name(), Port: 1, Check: check });
    const id = `_service_maintenance:${name()}`;
    const checks = (await http().get('/agent/checks')).json as Record<string, { Notes: string }>;
    expect(checks[id]?.Notes).toMatch(/no reason was provided/);
    await http().put(`/agent/service/deregister/${name()}`);
    expect((await http().get('/agent/checks')).json).not.toHaveProperty(id);
  });

  it('of the node takes every service out and wakes its watchers', async () => {
    await register();
    const { index } = await http().get(`/health/service/${name()}`);
    const blocked = http().get(`/health/service/${name()}?index=${index}&wait=10s`);
    try {
      expect(await http().put('/agent/maintenance?enable=true&reason=node')).toMatchObject({ status: 200 });
      const woken = await blocked;
      expect(woken.tookMs).toBeLessThan(5_000);
      expect(woken.json).toMatchObject([
        {
          Checks: [
            { CheckID: '_node_maintenance', Status: 'critical', Notes: 'node', ServiceID: '' },
            {},
            {},
          ],
        },
      ]);
      expect(await passing()).toBe(0);
    } finally {
      await http().put('/agent/maintenance?enable=false');
    }
    await eventually(async () => {
      expect(await passing()).toBe(1);
    });
  });

  it('is refused for an unknown service, without a value and with a wrong one', async () => {
    const path = `/agent/service/maintenance/${name()}-nobody`;
    expect((await http().put(`${path}?enable=true`)).status).toBe(404);
    expect(await http().put(path)).toMatchObject({ status: 400, text: 'Missing value for enable' });
    expect((await http().put(`${path}?enable=maybe`)).status).toBe(400);
  });
}
