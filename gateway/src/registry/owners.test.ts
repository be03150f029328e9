import type { EndpointReport, Instance } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { routeConfig } from '../../../test/kit/builders.ts';
import { eventually } from '../../../test/kit/eventually.ts';
import { instance, reconfigure, setUp, turn, type RegistryWorld } from './testing/registry-world.ts';

const tag = 'urlprefix-/pay';
const blue = (more = {}) => instance('blue', 'b', [tag], { port: 1, createIndex: 1, ...more });
const green = (more = {}) => instance('green', 'g', [tag], { port: 2, createIndex: 9, ...more });

/** A registry that has only claims, `blue`'s first. */
async function world(routes: Parameters<typeof setUp>[0] = []): Promise<RegistryWorld> {
  const made = setUp(routes);
  await made.catalog({ blue: [tag], green: [tag] });
  await made.snapshot('blue', blue());
  await made.snapshot('green', green());
  await made.registry.synced;
  return made;
}

const ownerOf = ({ registry }: RegistryWorld) => registry.resolve('h', '/pay')?.route.service;

/** Lets a change of a list arrive that has one before it. */
async function change(made: RegistryWorld, service: string, ...instances: Instance[]): Promise<void> {
  await made.snapshot(service, ...instances);
  await turn();
  await turn();
}

/** A request that ends like this. */
function ask({ registry }: RegistryWorld, report: EndpointReport): void {
  const lease = registry.resolve('h', '/pay')?.upstream.acquire({ tag, tried: [] });
  if (typeof lease !== 'object') throw new Error('no instance');
  lease.report(report);
  lease.release();
}

/** A request that the owner answers. */
async function serve(made: RegistryWorld): Promise<void> {
  ask(made, 'success');
  await eventually(() => {
    expect(made.registry.savable()?.routes).toMatchObject([{ served: true }]);
  });
}

describe('the owner of a claimed route', () => {
  it('that never answered gives way when it turns critical', async () => {
    const made = await world();
    expect(ownerOf(made)).toBe('blue');
    await change(made, 'blue', blue({ status: 'critical' }));
    expect(ownerOf(made)).toBe('green');
    await change(made, 'blue', blue());
    expect(ownerOf(made)).toBe('green');
  });

  it('that never answered gives way when its first request fails, though the registry calls it well', async () => {
    const made = await world();
    ask(made, 'connect_failed');
    await turn();
    expect(ownerOf(made)).toBe('green');
    ask(made, 'success');
    await turn();
    expect(ownerOf(made)).toBe('green');
  });

  it('that has answered keeps it without a live instance, and the table names who else claims it', async () => {
    const made = await world();
    await serve(made);
    await change(made, 'blue', blue({ status: 'critical' }));
    await change(made, 'blue');
    await made.catalog({ green: [tag] });
    expect(made.registry.resolve('h', '/pay')?.route).toMatchObject({ service: 'blue', rivals: ['green'] });
    expect(made.registry.rejected).toMatchObject([{ service: 'green', prefix: '/pay' }]);
  });

  it('loses it to another claim when an operator releases it', async () => {
    const made = await world();
    await serve(made);
    expect(made.registry.releaseRoute('/nothing')).toBeUndefined();
    expect(made.registry.releaseRoute('/pay')).toBe('blue');
    expect(ownerOf(made)).toBe('green');
    expect(made.tables.at(-1)).toMatchObject({
      before: [{ service: 'blue' }],
      after: [{ service: 'green' }],
    });
  });

  it('loses it after a time without a live instance, also when nothing happens then', async () => {
    const made = setUp([], [], { now: () => performance.now() });
    await made.catalog({ blue: [tag], green: [tag] });
    await made.snapshot('blue', blue());
    await made.snapshot('green', green());
    await reconfigure(made.registry, { ...made.config, routesReleaseAfterMs: 20 });
    await serve(made);
    await change(made, 'blue', blue({ status: 'critical' }));
    await eventually(() => {
      expect(ownerOf(made)).toBe('green');
    });
  });

  it('is known over a restart by the saved table, also when Consul answers at once', async () => {
    const first = await world();
    await serve(first);
    await change(first, 'blue', blue({ status: 'critical' }));
    const saved = first.registry.savable();
    expect(saved?.routes).toMatchObject([{ route: { service: 'blue' }, served: true }]);
    const second = setUp([]);
    await second.catalog({ green: [tag] });
    await second.snapshot('green', green());
    await second.registry.synced;
    expect(ownerOf(second)).toBe('green');
    second.registry.adopt(saved!, 1);
    expect(second.registry.resolve('h', '/pay')?.route).toMatchObject({ service: 'blue', rivals: ['green'] });
    await change(second, 'blue');
    expect(second.registry.waitingFor()).toEqual([]);
    expect(second.registry.service('blue')?.watch.kind).toBe('live');
    second.registry.releaseRoute('/pay');
    expect(ownerOf(second)).toBe('green');
  });
});

describe('a built-in route', () => {
  it('is remembered over a restart by the saved table, while its service is away', async () => {
    const first = setUp();
    await first.catalog({});
    await change(first, 'webapp-service');
    await change(first, 'api-service', instance('api-service', 'a', []));
    await change(first, 'api-service');
    const saved = first.registry.savable();
    expect(saved?.routes).toMatchObject([{ route: { prefix: '/api', source: 'default' } }]);
    const second = setUp();
    second.registry.adopt(saved!, 1);
    await second.catalog({});
    await change(second, 'api-service');
    await change(second, 'webapp-service');
    expect(second.registry.resolve('h', '/api')?.route).toMatchObject({ service: 'api-service' });
    expect([...second.registry.remembered.keys()]).toEqual(['/api']);
    const third = setUp([]);
    third.registry.adopt(saved!, 1);
    await third.catalog({});
    expect(third.registry.resolve('h', '/api')).toBeUndefined();
  });
});

describe('a configured route with several owners', () => {
  const owners = ['blue', 'green'];

  it('leads to the one that serves, as soon as the other does not', async () => {
    const made = await world([routeConfig('/pay', 'blue', { owners })]);
    expect(ownerOf(made)).toBe('blue');
    expect(made.registry.rejected).toEqual([]);
    ask(made, 'success');
    await change(made, 'blue', blue({ status: 'critical' }));
    expect(ownerOf(made)).toBe('green');
    await change(made, 'blue', blue());
    expect(ownerOf(made)).toBe('green');
    await change(made, 'green');
    expect(ownerOf(made)).toBe('blue');
  });

  it('follows all of them, without tags', async () => {
    const made = setUp([routeConfig('/pay', 'blue', { owners })]);
    await made.catalog({ blue: [], green: [] });
    expect([...made.feeds.keys()]).toEqual(owners);
    await change(made, 'blue');
    await change(made, 'green', green({ tags: [] }));
    expect(ownerOf(made)).toBe('green');
  });
});
