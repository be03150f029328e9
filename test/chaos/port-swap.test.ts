import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { createFaultyConsul } from '../kit/faulty-consul.ts';
import { get } from '../kit/load.ts';
import { scale } from './rig/scale.ts';
import { nothingLost, unexcused } from './rig/verdict.ts';
import { startWorld } from './rig/world.ts';

const services = ['blue', 'green'] as const;
/** Requests to each service right after a swap, beside the load. */
const probes = 6;

it(`answers no request from the wrong service over ${scale.portSwaps} ports that change hands behind the catalog's back`, async () => {
  const consul = createFaultyConsul();
  const { port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  const address = `http://127.0.0.1:${port}`;
  try {
    await using world = await startWorld({
      consul: address,
      instances: 0,
      originEnv: { ROUTES: '/SERVICE', PROPAGATION_MS: '0', DRAIN_MS: '100' },
    });
    for (const service of services) await world.startOrigin({ service, routes: '/SERVICE' });
    const turncoat = await world.startOrigin({ service: services[0], routes: '/SERVICE' });
    const ask = async (service: string): Promise<string> => {
      const { status, body } = await get(`${world.gateway.url}/${service}/probe`);
      return status === 200 ? (JSON.parse(body) as { service: string }).service : `${status} ${body}`;
    };
    await eventually(async () => {
      for (const service of services) expect(await ask(service)).toBe(service);
    });
    const load = await world.startLoad({
      targets: services.map((service) => ({ path: `/${service}/x`, service })),
    });
    await load.untilAnswered(scale.perSecond);

    let before = turncoat.id;
    const wrong: string[] = [];
    for (let swap = 0; swap < scale.portSwaps; swap += 1) {
      // As after a crash: the old instance stays in the catalog, and its TTL has long to run.
      const lift = consul.faults.set(
        { path: /\/(?:deregister|maintenance|check\/fail)\// },
        { kind: 'answer', status: 500, body: 'not now' },
      );
      const after = await turncoat.swap(services[(swap + 1) % 2]!);
      const answers = await Promise.all(
        services.flatMap((service) =>
          Array.from({ length: probes }, async () => ({ service, got: await ask(service) })),
        ),
      );
      wrong.push(
        ...answers.flatMap(({ service, got }) => (got === service ? [] : [`${swap}: ${service} got ${got}`])),
      );
      lift();
      await fetch(`${address}/v1/agent/service/deregister/${before}`, { method: 'PUT' });
      before = after;
    }
    expect(wrong).toEqual([]);
    const { verdict } = await world.finish(load);
    // A POST that the old instance had in its hands when it died can't be sent again.
    expect(unexcused(verdict, /^POST 502 upstream_reset$/)).toEqual({});
    expect({ ...verdict, failed: {}, samples: {} }).toEqual(nothingLost);
    await world.untilQuiet();
  } finally {
    await consul.stop();
  }
});
