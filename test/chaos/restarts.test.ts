import { expect, it } from 'vitest';

import { consulOrSkip, startRealConsul } from '../support/real-consul.ts';
import { calm, scale } from './rig/scale.ts';
import { nothingLost } from './rig/verdict.ts';
import { startWorld } from './rig/world.ts';

consulOrSkip('a service whose instances are replaced one after the other', (path) => {
  it(`loses and repeats nothing over ${scale.restarts} restarts by SIGTERM`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad();
    await load.untilAnswered(calm);
    for (let round = 0; round < scale.restarts; round += 1) {
      expect(await world.origins[round]!.process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
      const next = await world.startOrigin();
      await load.untilShares((share) => share(next.id) > 0.2);
    }
    const { report, verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    expect(Object.keys(report.byInstance)).toHaveLength(3 + scale.restarts);
    await world.untilQuiet();
  });

  it(`loses no idempotent request over ${scale.restarts} restarts by SIGKILL`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad({ mix: 'idempotent' });
    await load.untilAnswered(calm);
    for (let round = 0; round < scale.restarts; round += 1) {
      await world.origins[round]!.process.stop('SIGKILL');
      const next = await world.startOrigin();
      await load.untilShares((share) => share(next.id) > 0.2);
    }
    const { verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    await world.untilQuiet();
  });
});
