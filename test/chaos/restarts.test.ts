import { expect, it } from 'vitest';

import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { calm, scale } from './rig/scale.ts';
import { nothingLost, unexcused } from './rig/verdict.ts';
import { startWorld } from './rig/world.ts';

consulOrSkip('a service whose instances are replaced one after the other', (path) => {
  it(`loses and repeats nothing over ${scale.restarts} restarts by SIGTERM`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad();
    await load.untilAnswered(calm);
    for (let round = 0; round < scale.restarts; round += 1) {
      expect(await world.origins[round]!.process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(world.origins[round]!.process.output()).toMatch(
        /draining acknowledged by 1\/1 gateways? in \d+ ms/,
      );
      const next = await world.startOrigin();
      await next.process.waitFor(/live on 1\/1 gateways? in \d+ ms/);
      await load.untilShares((share) => share(next.id) > 0.2);
    }
    const { report, verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    expect(Object.keys(report.byInstance)).toHaveLength(3 + scale.restarts);
    await world.untilQuiet();
  });

  it(`loses nothing that can be sent again, and repeats nothing else, over ${scale.restarts} restarts by SIGKILL`, async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address });
    const load = await world.startLoad();
    await load.untilAnswered(calm);
    for (let round = 0; round < scale.restarts; round += 1) {
      await world.origins[round]!.process.stop('SIGKILL');
      const next = await world.startOrigin();
      await load.untilShares((share) => share(next.id) > 0.2);
    }
    const { verdict } = await world.finish(load);
    // A POST that the dead instance had in its hands can't be sent again; nothing else may be lost.
    expect(unexcused(verdict, /^POST 502 upstream_reset$/), JSON.stringify(verdict.samples)).toEqual({});
    expect({ ...verdict, failed: {}, samples: {} }).toEqual(nothingLost);
    await world.untilQuiet();
  });
});
