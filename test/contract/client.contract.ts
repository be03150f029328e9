import { afterEach, beforeEach, expect, it } from 'vitest';

import {
  consulSettings,
  createConsulClient,
  type ReadAnswer,
  type RegistryClient,
  type ServiceDefinition,
  snapshotFromAnswer,
} from '../../agent-sdk/src/internal.ts';
import { eventually } from '../kit/eventually.ts';
import type { ContractSubject } from './registry.contract.ts';

export function clientContract({ address, http, name }: ContractSubject): void {
  const { signal } = new AbortController();
  let client: RegistryClient;

  beforeEach(() => {
    const found = consulSettings({}, { address: address() });
    if (found.kind === 'invalid') throw new Error(found.problems.join('; '));
    client = createConsulClient(found.settings);
  });
  afterEach(() => {
    client.close();
  });

  const definition = (): ServiceDefinition => ({
    ID: `${name()}-x7k2`,
    Name: name(),
    Address: '127.0.0.1',
    Port: 41_823,
    Tags: [`urlprefix-/${name()}`],
    Meta: { version: '1' },
    Weights: { Passing: 7, Warning: 2 },
    Checks: [
      {
        CheckID: `${name()}-x7k2:ttl`,
        Name: 'Heartbeat',
        Status: 'passing',
        TTL: '30s',
        DeregisterCriticalServiceAfter: '1m',
      },
    ],
  });
  const health = (): Promise<ReadAnswer> => client.serviceHealth(name(), { signal });
  const decoded = (answer: ReadAnswer): unknown =>
    snapshotFromAnswer(answer, { cluster: 'default', service: name() });
  const registered = async (): Promise<ReadAnswer> => {
    await client.registerService(definition(), signal);
    return eventually(async () => {
      const answer = await health();
      expect(answer.body).toHaveLength(1);
      return answer;
    });
  };

  it('registers a service that comes back as one passing instance with all that was said', async () => {
    const answer = await registered();
    expect(answer).toMatchObject({ knownLeader: true, lastContactMs: 0, filteredByAcl: false });
    expect(decoded(answer)).toMatchObject({
      service: name(),
      index: answer.index,
      quarantined: [],
      instances: [
        {
          id: `${name()}-x7k2`,
          service: name(),
          address: '127.0.0.1',
          port: 41_823,
          tags: [`urlprefix-/${name()}`],
          meta: { version: '1' },
          status: 'passing',
          weight: 7,
        },
      ],
    });
  });

  it('sees draining while in maintenance, and passing after it', async () => {
    await registered();
    const id = `${name()}-x7k2`;
    await client.setMaintenance(id, { enable: true, reason: 'shutting down' }, signal);
    await eventually(async () => {
      expect(decoded(await health())).toMatchObject({ instances: [{ status: 'draining' }] });
    });
    await client.setMaintenance(id, { enable: false, reason: '' }, signal);
    await eventually(async () => {
      expect(decoded(await health())).toMatchObject({ instances: [{ status: 'passing' }] });
    });
  });

  it('passes a check', async () => {
    await registered();
    await http().put(`/agent/check/fail/${name()}-x7k2:ttl`);
    await eventually(async () => {
      expect(decoded(await health())).toMatchObject({ instances: [{ status: 'critical' }] });
    });
    await client.passCheck(`${name()}-x7k2:ttl`, 'alive', signal);
    await eventually(async () => {
      expect(decoded(await health())).toMatchObject({ instances: [{ status: 'passing' }] });
    });
  });

  it('reads the catalog and what the agent holds', async () => {
    await registered();
    const catalog = await client.catalogServices({ signal });
    expect(catalog.body).toMatchObject({ [name()]: [`urlprefix-/${name()}`] });
    const own = await client.agentServices({ signal });
    expect(own.body).toMatchObject({ [`${name()}-x7k2`]: { Service: name(), Address: '127.0.0.1' } });
  });

  it('blocks until a change', async () => {
    const { index } = await registered();
    expect(index).toBeDefined();
    const blocked = client.serviceHealth(name(), { signal, index: index!, waitMs: 10_000 });
    const begunMs = performance.now();
    await client.deregisterService(`${name()}-x7k2`, signal);
    const answer = await blocked;
    expect(performance.now() - begunMs).toBeLessThan(5_000);
    expect(answer.body).toEqual([]);
    expect(Number(answer.index)).toBeGreaterThan(Number(index));
  });

  it('comes back from a blocking read whose time is up', async () => {
    const { index } = await registered();
    const answer = await client.serviceHealth(name(), { signal, index: index!, waitMs: 200 });
    expect(answer.index).toBe(index);
  });

  it('leaves a blocking read at once when it is aborted', async () => {
    const { index } = await registered();
    const leaving = new AbortController();
    const reason = new Error('enough');
    const blocked = client.serviceHealth(name(), { signal: leaving.signal, index: index!, waitMs: 10_000 });
    leaving.abort(reason);
    await expect(blocked).rejects.toBe(reason);
  });

  it('calls an unknown check and an unknown service not_found', async () => {
    await expect(client.passCheck(`${name()}:nobody`, '', signal)).rejects.toMatchObject({
      failure: 'not_found',
    });
    const state = { enable: true, reason: '' };
    await expect(client.setMaintenance(`${name()}-nobody`, state, signal)).rejects.toMatchObject({
      failure: 'not_found',
    });
  });

  it('deregisters an unknown service as done (1.8) or not_found (1.11)', async () => {
    const failure = await client.deregisterService(`${name()}-nobody`, signal).then(
      () => 'none',
      (error: unknown) => (error instanceof Error && 'failure' in error ? error.failure : error),
    );
    expect(['none', 'not_found']).toContain(failure);
  });

  it('calls a registration that Consul does not take rejected', async () => {
    const wrong = { ...definition(), Meta: { 'a.b': 'c' } };
    await expect(client.registerService(wrong, signal)).rejects.toMatchObject({
      failure: 'rejected',
      status: 400,
    });
  });
}
