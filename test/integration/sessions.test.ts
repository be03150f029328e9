import { describe, expect, it, onTestFinished } from 'vitest';

import { holding, startFleet, type Fleet } from '../kit/fleet.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestGateway, type TestConfig } from '../kit/start-gateway.ts';

/** Two gateways with one secret, of one agent, in front of the instances `a`, `b` and `c`. */
async function pairOfGateways(engine: 'http-proxy' | 'wire') {
  const config: TestConfig = { engine, sticky: 'cookie', stickySecret: 'the secret of the fleet' };
  const fleet = await startFleet(config);
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const other = await startTestGateway(config, { beside: fleet.gateway });
  onTestFinished(() => other[Symbol.asyncDispose]());
  for (const id of ['a', 'b', 'c']) await fleet.join(id);
  await eventually(async () => {
    const text = await (await fetch(`${other.adminUrl}/api/services/webapp-service`)).text();
    for (const id of ['a', 'b', 'c']) expect(text).toContain(`"id":"${id}"`);
  });
  return { fleet, urls: [fleet.gateway.url, other.url] as const };
}

/** Who answered, and the cookie that the client has from now on. */
async function visit(url: string, cookie: string | undefined) {
  const response = await fetch(`${url}/`, cookie === undefined ? {} : { headers: { cookie } });
  expect(response.status).toBe(200);
  const given = response.headers.getSetCookie().map((line) => line.split(';')[0]);
  return { name: await response.text(), given: given.length > 0, cookie: given[0] ?? cookie };
}

/** Both gateways send the client of a cookie to the same instance, and give it no other. */
async function expectLoyalty(
  urls: readonly string[],
  cookie: string | undefined,
  name: string,
): Promise<void> {
  for (const url of [...urls, ...urls])
    expect(await visit(url, cookie)).toEqual({ name, given: false, cookie });
}

async function homeOf(fleet: Fleet, urls: readonly [string, string]) {
  const { name, cookie } = await visit(urls[0], undefined);
  const home = fleet.instances.get(name);
  if (home === undefined) throw new Error(name);
  await expectLoyalty(urls, cookie, name);
  return { home, cookie };
}

describe.each(['http-proxy', 'wire'] as const)('sessions over two gateways with the %s engine', (engine) => {
  it('move once when their instance drains, and what it is doing ends well', async () => {
    const { fleet, urls } = await pairOfGateways(engine);
    const { home, cookie } = await homeOf(fleet, urls);
    const { handler, held } = holding();
    home.answer(handler);
    const last = visit(urls[0], cookie);
    await eventually(() => {
      expect(held).toHaveLength(1);
    });
    home.answer(undefined);
    await fleet.setStatus(home.id, 'draining');
    const moved = await visit(urls[0], cookie);
    expect(moved).toMatchObject({ given: true });
    expect(moved.name).not.toBe(home.id);
    await expectLoyalty(urls, moved.cookie, moved.name);
    held[0]?.end('finished');
    expect(await last).toMatchObject({ name: 'finished', given: false });
  });

  it('move when their instance is killed, and lose no request', async () => {
    const { fleet, urls } = await pairOfGateways(engine);
    const { home, cookie } = await homeOf(fleet, urls);
    await home.kill();
    const moved = await visit(urls[0], cookie);
    expect(moved).toMatchObject({ given: true });
    expect(moved.name).not.toBe(home.id);
    await expectLoyalty(urls, moved.cookie, moved.name);
  });

  it('do not begin with a cookie that the gateway did not issue', async () => {
    const { urls } = await pairOfGateways(engine);
    const forged = ['', 'a', 'A'.repeat(22), '"', 'x'.repeat(5_000)].map(
      (value) => `roundhouse_webapp-service=${value}`,
    );
    for (const cookie of forged) {
      const { name, given, cookie: real } = await visit(urls[1], cookie);
      expect(given).toBe(true);
      expect(real).not.toBe(cookie);
      await expectLoyalty(urls, real, name);
    }
  });
});
