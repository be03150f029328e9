import { describe, expect, it, onTestFinished } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { eventually } from '../kit/eventually.ts';
import { startFleet, tally, type Fleet } from '../kit/fleet.ts';
import { get } from '../kit/load.ts';
import type { TestConfig } from '../kit/start-gateway.ts';

async function fleetOf(ids: readonly string[], config: TestConfig): Promise<Fleet> {
  const fleet = await startFleet(config);
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  for (const id of ids) await fleet.join(id);
  return fleet;
}

describe.each(['http-proxy', 'wire'] as const)('judgement through the %s engine', (engine) => {
  it('leaves out one of three that answers 500 to everything, and takes it back when it is well', async () => {
    const ejection = { ...defaults.ejection, baseMs: 1_500 };
    const fleet = await fleetOf(['a', 'b', 'sick'], { engine, ejection });
    const sick = fleet.instances.get('sick');
    sick?.answer((_, response) => response.writeHead(500).end('sick'));
    const healthOf = async (id: string) =>
      (await fleet.service()).instances.find((each) => each.id === id)?.health;
    await eventually(async () => {
      await get(`${fleet.gateway.url}/`);
      expect(await healthOf('sick')).toBe('ejected');
    }, 20_000);
    // It takes `minRequests` answers, and the next look, which comes within a quarter of a second.
    expect(sick?.requests).toBeGreaterThanOrEqual(20);
    expect(sick?.requests).toBeLessThan(100);
    expect(Object.keys(tally(await fleet.ask(10))).sort()).toEqual(['a', 'b']);
    sick?.answer(undefined);
    await eventually(async () => {
      expect(tally(await fleet.ask(9))).toEqual({ a: 3, b: 3, sick: 3 });
    });
    expect(await healthOf('sick')).toBe('healthy');
  });

  it('doubts Consul when four of five are critical, and loses no request to those that are really dead', async () => {
    const fleet = await fleetOf(['a', 'b', 'c', 'd', 'e'], { engine });
    for (const id of ['b', 'c', 'd', 'e']) await fleet.setStatus(id, 'critical');
    expect((await fleet.service()).panic).toBe('panic');
    expect(tally(await fleet.ask(20))).toEqual({ a: 4, b: 4, c: 4, d: 4, e: 4 });
    for (const id of ['b', 'c', 'd', 'e']) await fleet.instances.get(id)?.kill();
    expect(tally(await fleet.ask(30))).toEqual({ a: 30 });
    for (const id of ['b', 'c']) await fleet.instances.get(id)?.revive();
    for (const id of ['b', 'c']) await fleet.setStatus(id, 'passing');
    expect((await fleet.service()).panic).toBe('calm');
    expect(tally(await fleet.ask(9))).toEqual({ a: 3, b: 3, c: 3 });
  });

  it('believes Consul when one of two is critical', async () => {
    const fleet = await fleetOf(['a', 'b'], { engine });
    await fleet.setStatus('b', 'critical');
    expect(tally(await fleet.ask(10))).toEqual({ a: 10 });
    expect((await fleet.service()).panic).toBe('calm');
  });
});
