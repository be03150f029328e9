import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { consulOrSkip } from '../kit/real-consul.ts';
import { namespaceObstacle, startConsulCluster, type ConsulCluster } from './rig/consul-cluster.ts';
import type { ChaosLoad } from './rig/load.ts';
import { calm, scale } from './rig/scale.ts';
import { nothingLost } from './rig/verdict.ts';
import { startWorld, type World } from './rig/world.ts';

async function followerAndLeader(
  cluster: ConsulCluster,
): Promise<{ readonly leader: number; readonly followers: readonly number[] }> {
  const leader = await cluster.leaderOf(0);
  if (leader === undefined) throw new Error('there is no leader');
  return { leader, followers: [0, 1, 2].filter((server) => server !== leader) };
}

/** A new instance gets its share, and all others keep theirs: the registry is followed again. */
async function finish(world: World, load: ChaosLoad, consul: string): Promise<void> {
  await world.startOrigin({ consul });
  const all = [...world.origins];
  await load.untilShares((share) => all.every(({ id }) => share(id) > 0.15), { deadlineMs: 60_000 });
  const { verdict } = await world.finish(load);
  expect(verdict).toEqual(nothingLost);
  await world.untilQuiet();
}

const obstacle = namespaceObstacle();
const title = `three Consul servers in network namespaces${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`;

describe.skipIf(obstacle !== undefined)(title, () => {
  consulOrSkip('real ones', (path) => {
    it('lose their leader to SIGKILL: nothing is lost', async () => {
      await using cluster = await startConsulCluster(path);
      const { leader, followers } = await followerAndLeader(cluster);
      const consul = cluster.address(followers[0]!);
      await using world = await startWorld({ consul, originEnv: { HOST: cluster.host } });
      const load = await world.startLoad();
      await load.untilAnswered(calm);
      await cluster.kill(leader);
      await eventually(async () => {
        const next = await cluster.leaderOf(followers[0]!);
        expect([undefined, leader]).not.toContain(next);
      }, 30_000);
      await load.untilAnswered(calm);
      await cluster.restart(leader);
      await finish(world, load, consul);
    });

    it('are cut apart, gateway and instances with the one that is alone: nothing is lost', async () => {
      await using cluster = await startConsulCluster(path);
      const { followers } = await followerAndLeader(cluster);
      const alone = followers[0]!;
      await using world = await startWorld({
        consul: cluster.address(alone),
        originEnv: { HOST: cluster.host },
      });
      const load = await world.startLoad();
      await load.untilAnswered(calm);
      cluster.isolate(alone);
      await sleep(scale.outageMs);
      cluster.heal(alone);
      await load.untilAnswered(calm * 2);
      await finish(world, load, cluster.address(alone));
    });

    it('are cut apart, the instances with the one that is alone and given up for dead: nothing is lost', async () => {
      await using cluster = await startConsulCluster(path);
      const { leader, followers } = await followerAndLeader(cluster);
      const alone = followers[0]!;
      await using world = await startWorld({
        consul: cluster.address(leader),
        instances: 0,
        originEnv: { HOST: cluster.host },
      });
      for (let count = 0; count < 3; count += 1) await world.startOrigin({ consul: cluster.address(alone) });
      const load = await world.startLoad();
      await load.untilAnswered(calm);
      cluster.isolate(alone);
      // The majority sees the node of all three instances fail, and calls every one of them critical.
      await sleep(scale.outageMs);
      await load.untilAnswered(calm);
      cluster.heal(alone);
      await load.untilAnswered(calm * 2);
      await finish(world, load, cluster.address(alone));
    });
  });
});
