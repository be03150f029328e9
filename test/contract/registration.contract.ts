import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { ContractSubject } from './registry.contract.ts';

/** A definition with every field that the SDK sends (`ServiceDefinition`). */
export function fullDefinition(name: string, id = `${name}-1`): Record<string, unknown> {
  return {
    ID: id,
    Name: name,
    Address: '127.0.0.1',
    Port: 41_823,
    Tags: [`urlprefix-/${name}`, name],
    Meta: { version: '1.2.3', weight: '3', 'started-at': '2026-01-01T00:00:00Z' },
    Weights: { Passing: 3, Warning: 2 },
    Checks: [
      {
        CheckID: `${id}:ttl`,
        Name: 'Heartbeat',
        Status: 'passing',
        TTL: '30s',
        DeregisterCriticalServiceAfter: '1m',
      },
      {
        CheckID: `${id}:http`,
        Name: 'HTTP',
        Status: 'critical',
        HTTP: 'http://127.0.0.1:9/health',
        Interval: '300s',
        Timeout: '2s',
        DeregisterCriticalServiceAfter: '90s',
      },
    ],
  };
}

export function registrationContract({ http, name }: ContractSubject): void {
  const service = {
    ID: expect.stringMatching(/-1$/) as string,
    Address: '127.0.0.1',
    Port: 41_823,
    Meta: { version: '1.2.3', weight: '3', 'started-at': '2026-01-01T00:00:00Z' },
    Weights: { Passing: 3, Warning: 2 },
    EnableTagOverride: false,
  };

  it('takes a registration with an empty 200', async () => {
    const answer = await http().put('/agent/service/register', fullDefinition(name()));
    expect(answer).toMatchObject({ status: 200, text: '' });
  });

  it("gives every field back in the agent's own list", async () => {
    await http().put('/agent/service/register', fullDefinition(name()));
    const expected = { ...service, Service: name(), Tags: [`urlprefix-/${name()}`, name()] };
    const list = await http().get('/agent/services');
    expect(list.json).toMatchObject({ [`${name()}-1`]: expected });
    const one = await http().get(`/agent/service/${name()}-1`);
    expect(one.json).toMatchObject(expected);
  });

  it('gives every field back in the health of the service, node checks first', async () => {
    await http().put('/agent/service/register', fullDefinition(name()));
    const answer = await eventually(async () => {
      const health = await http().get(`/health/service/${name()}?stale`);
      expect(health.json).toHaveLength(1);
      return health;
    });
    const [instance] = answer.json as { Service: { CreateIndex: number; ModifyIndex: number } }[];
    expect(instance).toMatchObject({
      Node: {
        Node: expect.any(String) as string,
        Address: '127.0.0.1',
        Datacenter: 'dc1',
        ID: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      },
      Service: { ...service, Service: name(), Tags: [`urlprefix-/${name()}`, name()] },
      Checks: [
        { CheckID: 'serfHealth', Status: 'passing', ServiceID: '', ServiceName: '' },
        {
          CheckID: `${name()}-1:http`,
          Name: 'HTTP',
          Status: 'critical',
          Type: 'http',
          ServiceID: `${name()}-1`,
          ServiceName: name(),
        },
        {
          CheckID: `${name()}-1:ttl`,
          Name: 'Heartbeat',
          Status: 'passing',
          Type: 'ttl',
          ServiceID: `${name()}-1`,
          ServiceTags: [`urlprefix-/${name()}`, name()],
        },
      ],
    });
    expect(instance!.Service.CreateIndex).toBeGreaterThan(0);
    expect(answer.index).toBeGreaterThanOrEqual(instance!.Service.ModifyIndex);
  });

  it('gives every field back in the catalog', async () => {
    await http().put('/agent/service/register', fullDefinition(name()));
    await eventually(async () => {
      const answer = await http().get(`/catalog/service/${name()}`);
      expect(answer.json).toMatchObject([
        {
          ServiceID: `${name()}-1`,
          ServiceName: name(),
          ServiceAddress: '127.0.0.1',
          ServicePort: 41_823,
          ServiceTags: [`urlprefix-/${name()}`, name()],
          ServiceWeights: { Passing: 3, Warning: 2 },
          ServiceMeta: service.Meta,
          Datacenter: 'dc1',
        },
      ]);
    });
  });

  it('names a service in the catalog with the tags of all its instances together', async () => {
    await http().put('/agent/service/register', { ID: `${name()}-1`, Name: name(), Tags: ['a', 'b'] });
    await http().put('/agent/service/register', { ID: `${name()}-2`, Name: name(), Tags: ['b', 'c'] });
    await eventually(async () => {
      const services = (await http().get('/catalog/services')).json as Record<string, string[]>;
      expect(services[name()]?.toSorted()).toEqual(['a', 'b', 'c']);
      expect(services['consul']).toEqual([]);
    });
  });

  it('fills in id, weights and empty lists for a registration that has only a name', async () => {
    await http().put('/agent/service/register', { Name: name() });
    const answer = await eventually(async () => {
      const health = await http().get(`/health/service/${name()}`);
      expect(health.json).toHaveLength(1);
      return health;
    });
    const [instance] = answer.json as { Service: unknown; Checks: unknown[] }[];
    expect(instance!.Service).toMatchObject({
      ID: name(),
      Address: '',
      Port: 0,
      Tags: [],
      Meta: null,
      Weights: { Passing: 1, Warning: 1 },
    });
    expect(instance!.Checks).toHaveLength(1);
  });

  it('does not check ports', async () => {
    await http().put('/agent/service/register', { Name: name(), Port: 70_000 });
    expect((await http().get(`/agent/service/${name()}`)).json).toMatchObject({ Port: 70_000 });
  });

  it('adds the own address under the names of its family, and none for a host name', async () => {
    const lan = { Address: '10.1.2.3', Port: 80 };
    await http().put('/agent/service/register', { ID: `${name()}-4`, Name: name(), ...lan });
    await http().put('/agent/service/register', { ID: `${name()}-h`, Name: name(), Address: 'host.local' });
    const services = (await http().get('/agent/services')).json as Record<string, Record<string, unknown>>;
    expect(services[`${name()}-4`]?.['TaggedAddresses']).toEqual({ lan_ipv4: lan, wan_ipv4: lan });
    expect(services[`${name()}-h`]?.['TaggedAddresses'] ?? {}).toEqual({});
  });

  it('filters instances by all the tags that are asked for, without regard to case', async () => {
    await http().put('/agent/service/register', { ID: `${name()}-1`, Name: name(), Tags: ['a', 'b'] });
    await http().put('/agent/service/register', { ID: `${name()}-2`, Name: name(), Tags: ['b'] });
    const count = async (query: string): Promise<number> =>
      ((await http().get(`/health/service/${name()}?${query}`)).json as unknown[]).length;
    await eventually(async () => {
      expect(await count('tag=B')).toBe(2);
    });
    expect(await count('tag=a&tag=b')).toBe(1);
    expect(await count('tag=nobody')).toBe(0);
  });

  it('replaces the record under the same id and keeps its create index', async () => {
    const read = async (): Promise<Record<string, unknown>> => {
      const health = (await http().get(`/health/service/${name()}`)).json as {
        Service: Record<string, unknown>;
      }[];
      expect(health).toHaveLength(1);
      return health[0]!.Service;
    };
    await http().put('/agent/service/register', { Name: name(), Port: 1 });
    const before = await eventually(read);
    await http().put('/agent/service/register', { Name: name(), Port: 2 });
    await eventually(async () => {
      const after = await read();
      expect(after).toMatchObject({ Port: 2, CreateIndex: before['CreateIndex'] });
      expect(after['ModifyIndex']).toBeGreaterThan(before['ModifyIndex'] as number);
    });
  });

  it('moves an id that is registered under another name', async () => {
    await http().put('/agent/service/register', { ID: `${name()}-1`, Name: name() });
    await http().put('/agent/service/register', { ID: `${name()}-1`, Name: `${name()}-other` });
    await eventually(async () => {
      expect((await http().get(`/health/service/${name()}`)).json).toEqual([]);
      expect((await http().get(`/health/service/${name()}-other`)).json).toHaveLength(1);
      const services = (await http().get('/catalog/services')).json as object;
      expect(services).not.toHaveProperty(name());
    });
  });

  it('removes a service and its checks everywhere at once on deregistration', async () => {
    await http().put('/agent/service/register', fullDefinition(name()));
    await eventually(async () => {
      expect((await http().get(`/health/service/${name()}`)).json).toHaveLength(1);
    });
    const answer = await http().put(`/agent/service/deregister/${name()}-1`);
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect((await http().get('/agent/services')).json).not.toHaveProperty(`${name()}-1`);
    expect((await http().get('/agent/checks')).json).not.toHaveProperty(`${name()}-1:ttl`);
    await eventually(async () => {
      expect((await http().get(`/health/service/${name()}`)).json).toEqual([]);
      expect((await http().get(`/health/checks/${name()}`)).json).toEqual([]);
      expect((await http().get('/catalog/services')).json).not.toHaveProperty(name());
    });
  });

  it('says which agent, leader, node and datacenter it is', async () => {
    expect((await http().get('/status/leader')).json).toMatch(/^127\.0\.0\.1:\d+$/);
    expect((await http().get('/status/peers')).json).toHaveLength(1);
    expect((await http().get('/catalog/datacenters')).json).toEqual(['dc1']);
    const self = (await http().get('/agent/self')).json as { Config: Record<string, unknown> };
    expect(self.Config).toMatchObject({ Datacenter: 'dc1', NodeName: expect.any(String) as string });
    const nodes = (await http().get('/catalog/nodes')).json;
    expect(nodes).toMatchObject([{ Node: self.Config['NodeName'], Address: '127.0.0.1' }]);
  });

  it('carries index, leader, contact and consistency on every read of health and catalog', async () => {
    for (const path of [
      '/health/service/consul',
      '/health/state/any',
      '/catalog/services',
      '/catalog/nodes',
    ]) {
      const { headers, status } = await http().get(path);
      expect(status).toBe(200);
      expect(headers.get('x-consul-index')).toMatch(/^[1-9]\d*$/);
      expect(headers.get('x-consul-knownleader')).toBe('true');
      expect(headers.get('x-consul-lastcontact')).toBe('0');
      expect(headers.get('x-consul-effective-consistency')).toBe('leader');
      expect(headers.get('content-type')).toBe('application/json');
    }
    const stale = await http().get('/catalog/services?stale');
    expect(stale.headers.get('x-consul-effective-consistency')).toBe('stale');
  });
}
