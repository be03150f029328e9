import { type ReadAnswer, type RegistryClient, type ReadOptions } from '@roundhouse/agent-sdk/internal';
import { expect, it, onTestFinished, vi } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { healthRecord } from '../../../test/kit/health-record.ts';
import { scriptedClient } from '../../../test/kit/scripted-client.ts';
import { defaults } from '../config/defaults.ts';
import { createHealth } from '../health/health.ts';
import { createRegistryLog } from '../telemetry/registry-log.ts';
import { createAddressPolicy } from './addresses/address-policy.ts';
import { Registry } from './registry.ts';
import { createConsulSource } from './sources/consul.ts';

const comparisons = vi.hoisted(() => ({ count: 0 }));

vi.mock(import('../../../agent-sdk/src/discovery/snapshot-change.ts'), async (original) => {
  const module = await original();
  return {
    ...module,
    compareSnapshots: (before, after) => {
      if (after.service === 'api-service') comparisons.count += 1;
      return module.compareSnapshots(before, after);
    },
  };
});

/** A registry that answers a read once it has something to say that the reader has not heard. */
function registryOf(records: () => readonly unknown[], index: () => number): RegistryClient {
  const read = async (options: ReadOptions, body: () => unknown): Promise<ReadAnswer> => {
    while (options.index === String(index())) {
      options.signal.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return {
      body: body(),
      index: String(index()),
      knownLeader: true,
      lastContactMs: 0,
      filteredByAcl: false,
    };
  };
  return scriptedClient({
    serviceHealth: (service, options) => read(options, () => (service === 'api-service' ? records() : [])),
    catalogServices: (options) => read(options, () => ({})),
  });
}

it('compares the instances of a service once when one registers, for everything that follows it', async () => {
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
  };
  const records = [healthRecord('a', { service: 'api-service', port: 1 })];
  let index = 5;
  const ends = new AbortController();
  const clock = { now: () => performance.now(), random: Math.random };
  const registry = new Registry({
    config: defaults,
    sources: [
      createConsulSource(
        registryOf(
          () => records,
          () => index,
        ),
      ),
    ],
    addressPolicy: (rules, listeners) =>
      createAddressPolicy({ rules, listeners, consul: undefined, localAddresses: [] }),
    ...clock,
  });
  const health = createHealth({
    services: { get: (name) => registry.service(name), names: () => [] },
    gateway: () => 'gw',
    identity: () => 'off',
    lookup: (_hostname, _options, done) => {
      done(new Error('unused'), '');
    },
    log: { info: log, warn: log },
    ticker: () => () => undefined,
    ...clock,
  });
  const fullLog = { trace: log, debug: log, info: log, warn: log, error: log };
  registry.subscribe(createRegistryLog(fullLog));
  registry.subscribe(health);
  const running = Promise.all([registry.run(ends.signal, health.probeHeld), health.run(ends.signal)]);
  onTestFinished(async () => {
    ends.abort();
    await running;
  });
  await registry.synced;

  comparisons.count = 0;
  records.push(healthRecord('b', { service: 'api-service', port: 2 }));
  index += 1;
  await eventually(() => {
    expect(lines.some((line) => line.startsWith('+ api-service b'))).toBe(true);
  });
  expect(registry.resolve('h', '/api')?.upstream.endpoints).toHaveLength(2);
  expect(registry.listedEndpoints().size).toBe(2);
  expect(comparisons.count).toBe(1);
});
