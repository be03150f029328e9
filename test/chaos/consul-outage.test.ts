import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess } from '../kit/system.ts';
import { faultsIn, nothingLost } from './rig/verdict.ts';
import { calm, scale } from './rig/scale.ts';
import { startWorld } from './rig/world.ts';

/** A second of being away and one of being there, as in the reference's C3. */
const flapMs = 1_000;

consulOrSkip('a Consul that is not there', (path) => {
  it(`killed for ${scale.outageMs / 1_000} s and back empty: nothing is lost, and everybody registers again`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad();
    await load.untilAnswered(calm);
    await consul.kill();
    // The outage itself is the subject: it lasts as long as the promise says.
    await sleep(scale.outageMs);
    await consul.restart();
    const ids = world.origins.map(({ id }) => id).sort();
    await eventually(async () => {
      const { body } = await get(`${consul.address}/v1/health/service/api-service?passing`);
      const back = (JSON.parse(body) as { Service: { ID: string } }[]).map(({ Service }) => Service.ID);
      expect(back.sort()).toEqual(ids);
    }, 20_000);
    await world.gateway.process.waitFor(/Following the registry again/, 20_000);
    await load.untilAnswered(calm);
    const { report, verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    expect(Object.keys(report.byInstance).sort()).toEqual(ids);
    await world.untilQuiet();
  });

  it(`goes and comes ${scale.flaps} times, a second each: nothing is lost`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad();
    for (let flap = 0; flap < scale.flaps; flap += 1) {
      await consul.kill();
      await sleep(flapMs);
      await consul.restart();
      await sleep(flapMs);
    }
    await world.gateway.process.waitFor(/Following the registry again/, 30_000);
    await load.untilAnswered(calm);
    const { verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    // One line for going, one for coming back, for each of the watches; not one per attempt.
    const lines =
      world.gateway.process.output().match(/Serving the last known|Following the registry/g) ?? [];
    expect(lines.length).toBeLessThanOrEqual(scale.flaps * 4);
    await world.untilQuiet();
  });

  it('paused for longer than its heartbeats, then awake: nothing is lost', async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address, originEnv: { TTL_MS: '3000' } });
    const load = await world.startLoad();
    await load.untilAnswered(calm);
    consul.pause();
    await sleep(6_000);
    // Awake again, it finds every TTL overdue and calls all instances critical at once.
    consul.resume();
    await load.untilAnswered(calm * 2);
    const { verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    await world.untilQuiet();
  });

  it('away when a gateway starts that has a saved table: it serves, and says that the table is old', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roundhouse-table-'));
    try {
      await using consul = await startRealConsul({ path });
      const file = join(folder, 'table.json');
      const gatewayEnv = { GATEWAY_SAVED_TABLE: file };
      await using world = await startWorld({ consul: consul.address, gatewayEnv });
      // It is written a few seconds after a change.
      await eventually(() => {
        const text = readFileSync(file, 'utf8');
        for (const { id } of world.origins) expect(text).toContain(id);
      }, 15_000);
      await consul.kill();
      expect(await world.gateway.process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
      await using second = await startGatewayProcess(consul.address, { env: gatewayEnv });
      const load = await world.startLoad({ url: second.url });
      await load.untilAnswered(calm);
      expect((await get(`${second.adminUrl}/livez`)).status).toBe(200);
      expect((await get(`${second.adminUrl}/api/services`)).body).toContain('stale');
      await consul.restart();
      await second.process.waitFor(/Following the registry again/, 20_000);
      await load.untilAnswered(calm);
      const { report, verdict } = await world.finish(load);
      expect(verdict).toEqual(nothingLost);
      expect(Object.keys(report.byInstance)).toHaveLength(3);
      expect(faultsIn(second.process)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
