import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { ContractSubject } from './registry.contract.ts';

interface Check {
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: string;
  readonly Output: string;
  readonly ServiceID: string;
}

export function checksContract({ http, name }: ContractSubject): void {
  const checksOf = async (service: string): Promise<readonly Check[]> => {
    const rows = (await http().get(`/health/service/${service}`)).json as { Checks: Check[] }[];
    return rows.flatMap(({ Checks }) => Checks.filter((check) => check.ServiceID !== ''));
  };
  const checks = (): Promise<readonly Check[]> => checksOf(name());
  const statusOf = async (checkId: string): Promise<string | undefined> =>
    (await checks()).find((check) => check.CheckID === checkId)?.Status;
  const withTtl = (ttl: string, status?: string): object => ({
    Name: name(),
    Check: { CheckID: `${name()}:ttl`, TTL: ttl, ...(status === undefined ? {} : { Status: status }) },
  });

  it('begins critical where the registration names no status', async () => {
    await http().put('/agent/service/register', withTtl('30s'));
    await eventually(async () => {
      expect(await statusOf(`${name()}:ttl`)).toBe('critical');
    });
  });

  it('turns a TTL check passing, warning and critical as it is told, with the note as output', async () => {
    await http().put('/agent/service/register', withTtl('30s'));
    for (const [verb, status] of [
      ['pass', 'passing'],
      ['warn', 'warning'],
      ['fail', 'critical'],
    ] as const) {
      const answer = await http().put(`/agent/check/${verb}/${name()}:ttl?note=${verb}`);
      expect(answer).toMatchObject({ status: 200, text: '' });
      await eventually(async () => {
        expect(await checks()).toMatchObject([{ Status: status, Output: verb }]);
      });
    }
  });

  it('turns a TTL check critical when its time is up, and passing again with the next pass', async () => {
    await http().put('/agent/service/register', withTtl('1s', 'passing'));
    await eventually(async () => {
      expect(await checks()).toMatchObject([{ Status: 'critical', Output: 'TTL expired' }]);
    });
    await http().put(`/agent/check/pass/${name()}:ttl`);
    await eventually(async () => {
      expect(await statusOf(`${name()}:ttl`)).toBe('passing');
    });
  });

  it('keeps a TTL check passing as long as it is passed in time', async () => {
    await http().put('/agent/service/register', withTtl('2s', 'passing'));
    for (const endMs = performance.now() + 3_000; performance.now() < endMs;) {
      await http().put(`/agent/check/pass/${name()}:ttl`);
      expect(await checks()).toMatchObject([{ Status: 'passing' }]);
    }
  });

  it('keeps the output out of the catalog as long as only the output changes', async () => {
    await http().put('/agent/service/register', withTtl('30s', 'passing'));
    const before = await eventually(async () => {
      expect(await statusOf(`${name()}:ttl`)).toBe('passing');
      return (await http().get(`/health/service/${name()}`)).index;
    });
    await http().put(`/agent/check/pass/${name()}:ttl?note=new`);
    const waited = await http().get(`/health/service/${name()}?index=${before}&wait=300ms`);
    expect(waited.index).toBe(before);
    expect(await checks()).toMatchObject([{ Output: '' }]);
  });

  it('refuses to pass an unknown check, and a check that is not TTL', async () => {
    // 1.8 answers 500, 1.11 and later 404.
    const unknown = await http().put(`/agent/check/pass/${name()}:nobody`);
    expect([404, 500]).toContain(unknown.status);
    expect(unknown.text).toMatch(/does not have associated TTL|Unknown check ID/);
    await http().put('/agent/service/register', {
      Name: name(),
      Check: { CheckID: `${name()}:http`, HTTP: 'http://127.0.0.1:9/', Interval: '300s' },
    });
    const wrongKind = await http().put(`/agent/check/pass/${name()}:http`);
    expect(wrongKind).toMatchObject({
      status: 500,
      text: `CheckID "${name()}:http" does not have associated TTL`,
    });
  });

  it('keeps the status of known checks when a service is registered again, whatever it says', async () => {
    await http().put('/agent/service/register', withTtl('30s', 'passing'));
    await http().put(`/agent/check/fail/${name()}:ttl?note=broken`);
    await eventually(async () => {
      expect(await statusOf(`${name()}:ttl`)).toBe('critical');
    });
    await http().put('/agent/service/register', withTtl('30s', 'passing'));
    const { index } = await http().get(`/health/service/${name()}`);
    expect((await http().get(`/health/service/${name()}?index=${index}&wait=300ms`)).index).toBe(index);
    expect(await checks()).toMatchObject([{ Status: 'critical', Output: 'broken' }]);
  });

  it('keeps checks that a new registration does not name', async () => {
    await http().put('/agent/service/register', withTtl('30s', 'passing'));
    await http().put('/agent/service/register', { Name: name(), Port: 1 });
    await eventually(async () => {
      expect(await checks()).toHaveLength(1);
    });
  });

  it('names checks without an id after the service, numbered when there are several', async () => {
    await http().put('/agent/service/register', { Name: name(), Checks: [{ TTL: '30s' }, { TTL: '30s' }] });
    await eventually(async () => {
      expect(await checks()).toMatchObject([
        { CheckID: `service:${name()}:1`, Name: `Service '${name()}' check` },
        { CheckID: `service:${name()}:2` },
      ]);
    });
    await http().put('/agent/service/register', { Name: `${name()}-b`, Check: { TTL: '30s' } });
    await eventually(async () => {
      expect(await checksOf(`${name()}-b`)).toMatchObject([{ CheckID: `service:${name()}-b` }]);
    });
  });

  it('shows only instances all of whose checks pass when asked for passing ones', async () => {
    await http().put('/agent/service/register', {
      Name: name(),
      Checks: [
        { CheckID: `${name()}:a`, TTL: '30s', Status: 'passing' },
        { CheckID: `${name()}:b`, TTL: '30s', Status: 'passing' },
      ],
    });
    const count = async (query: string): Promise<number> =>
      ((await http().get(`/health/service/${name()}${query}`)).json as unknown[]).length;
    await eventually(async () => {
      expect(await count('?passing')).toBe(1);
    });
    await http().put(`/agent/check/warn/${name()}:b`);
    await eventually(async () => {
      expect(await count('?passing=true')).toBe(0);
    });
    expect(await count('?passing=false')).toBe(1);
    expect(await count('')).toBe(1);
  });

  it('runs HTTP checks: 2xx passes, 429 warns, the rest and no answer are critical', async () => {
    let status = 204;
    const server = createServer((_request, response) => {
      response.writeHead(status).end('hello');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const check = { CheckID: `${name()}:http`, HTTP: `http://127.0.0.1:${port}/`, Interval: '1s' };
      await http().put('/agent/service/register', { Name: name(), Check: check });
      for (const [answered, expected] of [
        [204, 'passing'],
        [429, 'warning'],
        [503, 'critical'],
        [200, 'passing'],
      ] as const) {
        status = answered;
        await eventually(async () => {
          expect(await statusOf(`${name()}:http`)).toBe(expected);
        });
      }
    } finally {
      server.close();
      server.closeAllConnections();
    }
    await eventually(async () => {
      expect(await statusOf(`${name()}:http`)).toBe('critical');
    });
  }, 30_000);
}
