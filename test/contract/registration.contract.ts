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
    TaggedAddresses: { wan: { Address: '203.0.113.7', Port: 443 } },
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
    TaggedAddresses: { wan: { Address: '203.0.113.7', Port: 443 } },
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
    const record = await http().get(`/agent/service/${name()}-1`);
    expect(record.json).toMatchObject(expected);
    expect((await http().get(`/agent/service/${name()}-2`)).status).toBe(404);
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
    expect((await http().get('/agent/services')).json).toMatchObject({ [name()]: { Port: 70_000 } });
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
    await eventually(async () => {
      expect((await http().get(`/health/service/${name()}`)).json).toEqual([]);
      expect((await http().get('/catalog/services')).json).not.toHaveProperty(name());
    });
  });

  it('carries index, leader and contact on every read of health and catalog', async () => {
    for (const path of [`/health/service/${name()}`, '/catalog/services', '/catalog/services?stale']) {
      const { headers, status } = await http().get(path);
      expect(status).toBe(200);
      expect(headers.get('x-consul-index')).toMatch(/^[1-9]\d*$/);
      expect(headers.get('x-consul-knownleader')).toBe('true');
      expect(headers.get('x-consul-lastcontact')).toBe('0');
      expect(headers.get('content-type')).toBe('application/json');
    }
  });
}
