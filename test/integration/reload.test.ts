import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { startConfiguredFleet, type ConfiguredFleet } from '../kit/config-file.ts';
import { eventually } from '../kit/eventually.ts';
import { get, startLoad } from '../kit/load.ts';

const cleanups: (() => PromiseLike<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(...args: Parameters<typeof startConfiguredFleet>): Promise<ConfiguredFleet> {
  const made = await startConfiguredFleet(...args);
  cleanups.push(() => made[Symbol.asyncDispose]());
  await made.fleet.join('a');
  return made;
}

const routed = (prefix: string): string => `routes:\n  - prefix: ${prefix}\n    service: webapp-service\n`;

/** Ways to save a file, each from `before` to `after`. */
const saves: Readonly<Record<string, (path: string, text: string) => Promise<void>>> = {
  'written in place': (path, text) => writeFile(path, text),
  'renamed over': async (path, text) => {
    await writeFile(`${path}~`, text);
    await rename(`${path}~`, path);
  },
  'deleted and made again': async (path, text) => {
    await unlink(path);
    await writeFile(path, text);
  },
  'swapped as a symlink': async (path, text) => {
    await writeFile(`${path}.other`, text);
    await symlink(`${path}.other`, `${path}.next`);
    await rename(`${path}.next`, path);
  },
};

it.each(Object.entries(saves))('applies a file that is %s', async (_, save) => {
  const { fleet, path } = await start(routed('/before'));
  await save(path, routed('/after'));
  await eventually(async () => {
    expect((await get(`${fleet.gateway.url}/after`)).status).toBe(200);
  });
  expect((await get(`${fleet.gateway.url}/before`)).status).toBe(404);
});

it("applies a Kubernetes volume's swap of ..data", async () => {
  const { fleet, folder } = await start('', {}, async (folder) => {
    for (const name of ['before', 'after']) {
      await mkdir(join(folder, `..${name}`));
      await writeFile(join(folder, `..${name}`, 'gateway.yaml'), routed(`/${name}`));
    }
    await symlink('..before', join(folder, '..data'));
    await symlink('..data/gateway.yaml', join(folder, 'gateway.yaml'));
    return join(folder, 'gateway.yaml');
  });
  await symlink('..after', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await eventually(async () => {
    expect((await get(`${fleet.gateway.url}/after`)).status).toBe(200);
  });
});

it('leaves a changed file alone with configWatch: off, and applies it when it is asked to', async () => {
  const { fleet, path } = await start(routed('/before'), { configWatch: 'off' });
  await writeFile(path, routed('/after'));
  expect((await fleet.gateway.gateway.reload('signal')).outcome).toBe('applied');
  expect((await get(`${fleet.gateway.url}/after`)).status).toBe(200);
});

it('keeps what runs through files that are broken in 200 ways, and names the places', async () => {
  const good = [
    'routes:',
    '  - prefix: /a',
    '    service: webapp-service',
    '    timeouts: { tryMs: 100, totalMs: 200 }',
    '  - { prefix: /b, host: example.org, service: b, strip: /b }',
    'services:',
    '  fixed: { instances: ["127.0.0.1:9"], checks: { kind: tcp } }',
    'limits: { headBytes: 16384 }',
    'trustedProxies: [10.0.0.0/8]',
  ].join('\n');
  const { fleet, path, reload } = await start(good, { configWatch: 'off' });
  let broken = 0;
  for (const text of mutations(good)) {
    if (broken === 200) break;
    const { status, body } = await reload(text);
    if (status === 200) {
      await reload(good);
      continue;
    }
    broken += 1;
    const { problems } = JSON.parse(body) as { problems: { place: string }[] };
    expect([text, status, problems.length > 0]).toEqual([text, 422, true]);
    for (const { place } of problems) expect(place.slice(path.length)).toMatch(/^:\d+:\d+/);
    expect([text, (await get(`${fleet.gateway.url}/a`)).status]).toEqual([text, 200]);
  }
  expect(broken).toBe(200);
  const metrics = (await get(`${fleet.gateway.adminUrl}/metrics`)).body;
  expect(metrics).toContain('gateway_config_reloads_total{outcome="invalid"} 200');
  expect(metrics).toContain('gateway_config_last_reload_successful 0');
});

/** The text with one of its letters, words and lines removed, doubled or replaced. */
function* mutations(text: string): Generator<string> {
  const pieces = text.split(/(?<=\n)|(?=[ :,{}[\]"])/);
  for (const change of [
    () => '',
    (piece: string) => piece + piece,
    (piece: string) => `${piece}x`,
    () => ' -1 ',
    () => '{',
    () => '\t',
  ])
    for (const [index, piece] of pieces.entries()) yield pieces.with(index, change(piece)).join('');
}

describe.each(['wire', 'http-proxy'])('under load, through the %s engine', (engine) => {
  it('fails no request and closes no connection', async () => {
    const { fleet, reload } = await start(routed('/'), { engine, configWatch: 'off' });
    const load = startLoad(fleet.gateway.url, 200);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => {
      agent.destroy();
    });
    let closed = 0;
    const sockets = new Set<unknown>();
    agent.on('free', (socket: Socket) => {
      if (!sockets.has(socket)) socket.once('close', () => (closed += 1));
      sockets.add(socket);
    });
    for (let n = 0; n < 30; n += 1) {
      const more = `  - { prefix: /more${n}, service: webapp-service }\ntimeouts: { responseHeadMs: ${60_000 - n} }\n`;
      expect((await reload(routed('/') + more)).status).toBe(200);
      expect((await get(`${fleet.gateway.url}/more${n}`, agent)).status).toBe(200);
    }
    const { sent, answered, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect([answered, closed]).toEqual([sent, 0]);
  });
});

it('shows what it applied and refused, goes back to a version, and holds it until it is released', async () => {
  const { fleet, path, reload } = await start(routed('/one'), { configWatch: 'off' });
  const post = async (page: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${fleet.gateway.adminUrl}/api/v1/config/${page}`, { method: 'POST' });
    return { status: response.status, body: await response.text() };
  };
  const history = async (): Promise<{
    running: string;
    pinned?: string;
    applied: { version: string }[];
    tableChanges: { source: string; lines: string[] }[];
  }> => JSON.parse((await get(`${fleet.gateway.adminUrl}/api/v1/config/history`)).body) as never;
  const { running } = await history();
  await reload(routed('/two'));
  expect((await history()).tableChanges[0]).toMatchObject({
    source: 'configuration',
    lines: ['+ route /two → webapp-service (config)', '- route /one → webapp-service'],
  });
  expect((await post('rollback?version=0')).status).toBe(404);
  expect((await post(`rollback?version=${running}`)).status).toBe(200);
  expect(await history()).toMatchObject({ running, pinned: running });
  expect((await get(`${fleet.gateway.url}/one`)).status).toBe(200);
  await writeFile(path, routed('/three'));
  expect((await post('reload')).status).toBe(409);
  expect((await post('release')).status).toBe(200);
  expect((await get(`${fleet.gateway.url}/three`)).status).toBe(200);
  expect((await history()).applied).toHaveLength(4);
  const text = (await get(`${fleet.gateway.adminUrl}/api/v1/config/history?format=text`)).body;
  expect(text).toMatch(/^Running: version [\da-f]{12}\n\nApplied\n/);
  expect(text).toContain('+ routes /three: /three → webapp-service');
});

it('explains a request in two forms', async () => {
  const { fleet } = await start(routed('/a'));
  const page = `${fleet.gateway.adminUrl}/api/v1/explain?method=PUT&url=http://x/a`;
  expect(JSON.parse((await get(page)).body)).toMatchObject({
    verdict: 'routed',
    route: { route: '/a', service: 'webapp-service' },
    endpoints: [{ availability: 'available' }],
    steps: ['check-request', 'check-hops', 'well-known', 'admit', 'match-route', 'bind-client', 'dispatch'],
  });
  expect((await get(`${page}&format=text`)).body).toContain('route      /a → webapp-service (config)');
  expect((await get(`${fleet.gateway.adminUrl}/api/v1/explain`)).status).toBe(400);
});
