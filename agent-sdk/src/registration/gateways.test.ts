import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/support/eventually.ts';
import { startFakeGateway } from '../../../test/support/fake-gateway.ts';
import { healthRecord } from '../../../test/support/health-record.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';

import { systemClock } from './clock.ts';
import { createGateways } from './gateways.ts';

const ends: (() => PromiseLike<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function gateway() {
  const fake = await startFakeGateway();
  ends.push(() => fake[Symbol.asyncDispose]());
  return fake;
}

/** A registry that lists these gateways; `list` may change what it says while somebody asks. */
function asking(list: () => unknown[], gateways: string | undefined = 'roundhouse') {
  const reads: string[] = [];
  const serviceHealth = (service: string) => {
    reads.push(service);
    return Promise.resolve().then(() => ({
      body: list(),
      index: '7',
      knownLeader: true,
      lastContactMs: 0,
      filteredByAcl: false,
    }));
  };
  const client = { serviceHealth } as unknown as RegistryClient;
  return {
    reads,
    gateways: createGateways({ client, gateways, service: 'api', id: 'api-1', clock: systemClock }),
  };
}

function row(id: string, port: number, status = 'passing') {
  return healthRecord(id, { service: 'roundhouse', address: '127.0.0.1', port, status });
}

const within = (timeoutMs: number) => ({ timeoutMs, signal: new AbortController().signal });

describe('gateways', () => {
  it('confirm together, each asked for this instance and no longer than needed', async () => {
    const [a, b] = [await gateway(), await gateway()];
    const { gateways, reads } = asking(() => [row('g-a', a.port), row('g-b', b.port, 'warning')]);
    const report = await gateways.confirm('live', within(5_000));
    expect(report).toMatchObject({
      confirmed: 2,
      problem: undefined,
      gateways: [
        { gateway: 'g-a', address: `127.0.0.1:${a.port}`, outcome: 'confirmed', reason: '' },
        { gateway: 'g-b', outcome: 'confirmed' },
      ],
    });
    expect([a.asked, b.asked]).toEqual([['api-1'], ['api-1']]);
    expect(reads).toEqual(['roundhouse', 'roundhouse']);
  });

  it('are asked again until they have stopped sending', async () => {
    const [a, b] = [await gateway(), await gateway()];
    b.answer('unknown');
    const { gateways } = asking(() => [row('g-a', a.port), row('g-b', b.port)]);
    const confirmed = gateways.confirm('drained', within(5_000));
    await eventually(() => {
      expect(a.asked.length).toBeGreaterThan(2);
    });
    a.answer('draining');
    expect(await confirmed).toMatchObject({ confirmed: 2 });
    expect(b.asked).toHaveLength(1);
  });

  it('that are not confirmed in time are named with the reason', async () => {
    const [stubborn, doubtful, hung] = [await gateway(), await gateway(), await gateway()];
    doubtful.answer({ out: 'connection refused' });
    hung.answer('hang');
    const rows = [row('g-1', stubborn.port), row('g-2', doubtful.port), row('g-3', hung.port)];
    const { gateways } = asking(() => rows);
    const report = await gateways.confirm('drained', within(300));
    expect(report.elapsedMs).toBeLessThan(1_000);
    expect(report.gateways.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['pending', 'it still sends requests here'],
      ['out', 'connection refused'],
      ['pending', 'it has not answered'],
    ]);
    expect(await gateways.confirm('live', within(100))).toMatchObject({ confirmed: 1 });
  });

  it('that have just died cost three tries, not the whole time; so do strangers', async () => {
    const dead = await gateway();
    await dead[Symbol.asyncDispose]();
    const stranger = await gateway();
    stranger.answer(404);
    const { gateways } = asking(() => [row('g-dead', dead.port), row('g-strange', stranger.port)]);
    const report = await gateways.confirm('drained', within(60_000));
    expect(report.elapsedMs).toBeLessThan(5_000);
    expect(report.gateways.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['unreachable', 'connection refused'],
      ['unreachable', 'it answered with status 404'],
    ]);
    expect(stranger.asked).toHaveLength(3);
  });

  it('that are overloaded are asked on', async () => {
    const busy = await gateway();
    busy.answer(503);
    const { gateways } = asking(() => [row('g', busy.port)]);
    const confirmed = gateways.confirm('live', within(10_000));
    await eventually(() => {
      expect(busy.asked.length).toBeGreaterThan(4);
    });
    busy.answer('live');
    expect(await confirmed).toMatchObject({ confirmed: 1 });
  });

  it('that come while the others are asked are asked too; those that are sick or leave are not', async () => {
    const [first, second, sick] = [await gateway(), await gateway(), await gateway()];
    let listed = [row('g-1', first.port), row('g-sick', sick.port, 'critical')];
    const { gateways } = asking(() => listed);
    first.answer('unknown');
    const confirmed = gateways.confirm('live', within(10_000));
    await eventually(() => {
      expect(first.asked.length).toBeGreaterThan(0);
    });
    listed = [row('g-1', first.port), row('g-2', second.port)];
    first.answer('live');
    expect(await confirmed).toMatchObject({ confirmed: 2 });
    expect(sick.asked).toEqual([]);
  });

  it('are none where none is registered, nobody is to be asked, or Consul fails', async () => {
    const nobody = { gateways: [], confirmed: 0, problem: undefined };
    expect(await asking(() => []).gateways.confirm('drained', within(5_000))).toMatchObject(nobody);
    const off = createGateways({
      client: {} as RegistryClient,
      gateways: undefined,
      service: 'api',
      id: 'api-1',
      clock: systemClock,
    });
    expect(await off.confirm('drained', within(5_000))).toMatchObject(nobody);
    const broken = asking(() => {
      throw new Error('no leader');
    });
    expect(await broken.gateways.confirm('drained', within(5_000))).toMatchObject({
      gateways: [],
      problem: 'no leader',
    });
  });

  it('are left alone as soon as the signal says so', async () => {
    const hung = await gateway();
    hung.answer('hang');
    const { gateways } = asking(() => [row('g', hung.port)]);
    const ending = new AbortController();
    const confirmed = gateways.confirm('live', { timeoutMs: 600_000, signal: ending.signal });
    await eventually(() => {
      expect(hung.asked).toHaveLength(1);
    });
    ending.abort();
    expect(await confirmed).toMatchObject({ confirmed: 0 });
  });
});
