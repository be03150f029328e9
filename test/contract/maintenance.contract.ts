import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { ContractSubject } from './registry.contract.ts';

export function maintenanceContract({ http, name }: ContractSubject): void {
  const passing = async (): Promise<number> =>
    ((await http().get(`/health/service/${name()}?passing`)).json as unknown[]).length;
  const checks = async (): Promise<readonly { readonly CheckID: string; readonly Notes: string }[]> => {
    const rows = (await http().get(`/health/service/${name()}`)).json as {
      Checks: { CheckID: string; Notes: string; ServiceID: string }[];
    }[];
    return rows.flatMap(({ Checks }) => Checks.filter(({ ServiceID }) => ServiceID !== ''));
  };
  const notes = async (): Promise<string | undefined> =>
    (await checks()).find(({ CheckID }) => CheckID === `_service_maintenance:${name()}`)?.Notes;
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
      expect(await checks()).toMatchObject([
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
    await eventually(async () => {
      expect(await notes()).toBe('first');
    });
  });

  it('outlasts a registration, and goes with the service', async () => {
    await register();
    await http().put(`/agent/service/maintenance/${name()}?enable=true`);
    const check = { CheckID: `${name()}:ttl`, TTL: '30s' };
    await http().put('/agent/service/register', { Name: name(), Port: 1, Check: check });
    await eventually(async () => {
      expect(await notes()).toMatch(/no reason was provided/);
    });
    await http().put(`/agent/service/deregister/${name()}`);
    await register();
    expect(await notes()).toBeUndefined();
  });

  it('is refused for an unknown service, without a value and with a wrong one', async () => {
    const path = `/agent/service/maintenance/${name()}-nobody`;
    expect((await http().put(`${path}?enable=true`)).status).toBe(404);
    expect(await http().put(path)).toMatchObject({ status: 400, text: 'Missing value for enable' });
    expect((await http().put(`${path}?enable=maybe`)).status).toBe(400);
  });
}
