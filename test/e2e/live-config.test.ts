import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startProcess } from '../kit/processes.ts';
import { startGatewayProcess } from '../kit/system.ts';

const routed = (prefix: string): string =>
  `configWatch: off\nservices: { a: { instances: ['127.0.0.1:9'] } }\nroutes: [{ prefix: ${prefix}, service: a }]\n`;

it('reloads at SIGHUP, and obeys the commands', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-live-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'gateway.yaml');
  await writeFile(path, routed('/one'));
  await using agent = await startProcess({ args: ['gateway/dist/cli.js', 'consul', '--port', '0'] });
  const [, consul = ''] = await agent.waitFor(/agent on http:\/\/([\d.:]+)/, 20_000);
  await using gateway = await startGatewayProcess(consul, { env: { GATEWAY_CONFIG: path } });
  const command = async (...args: string[]): Promise<string> => {
    const env = { GATEWAY_CONFIG: path, GATEWAY_ADMIN_PORT: new URL(gateway.adminUrl).port };
    await using child = await startProcess({ args: ['gateway/dist/cli.js', ...args], env });
    await child.ended;
    return child.output();
  };

  await writeFile(path, routed('/two'));
  gateway.process.signal('SIGHUP');
  await gateway.process.waitFor(/The configuration changed: routes/, 20_000);
  const { body } = await get(`${gateway.adminUrl}/api/v1/config/history`);
  const { applied } = JSON.parse(body) as { applied: { version: string; trigger: string }[] };
  expect(applied.map(({ trigger }) => trigger)).toEqual(['signal', 'start']);

  await writeFile(path, 'routes: [{ prefix: two }]\nnothing: 1\n');
  expect(await command('validate', path)).toMatch(
    /gateway\.yaml:1:\d+ routes\[0\]\.\w+: [^]*gateway\.yaml:2:1 nothing: unknown key/,
  );
  // A broken file does not keep the operator from the gateway.
  expect(await command('config', 'reload')).toContain('gateway.yaml:2:1 nothing: unknown key');
  expect(await command('config', 'rollback', applied[1]!.version)).toContain(
    'The configuration changed: routes',
  );
  expect(await command('config', 'history')).toContain('pinned by a rollback');
  expect(await command('explain', 'get', '/one/x')).toContain('route      /one → a (config)');

  await writeFile(path, routed('/three'));
  gateway.process.signal('SIGHUP');
  await gateway.process.waitFor(/A rollback holds/, 20_000);
  expect(await command('config', 'release')).toContain('The configuration changed: routes');
  await eventually(async () => {
    expect((await get(`${gateway.url}/three`)).status).not.toBe(404);
  });
}, 120_000);

it('reads its configuration from a pipe once, and neither a reload nor the stop waits for more', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-live-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  await using agent = await startProcess({ args: ['gateway/dist/cli.js', 'consul', '--port', '0'] });
  const [, consul = ''] = await agent.waitFor(/agent on http:\/\/([\d.:]+)/, 20_000);
  const [gateway] = await Promise.all([
    startGatewayProcess(consul, { env: { GATEWAY_CONFIG: path } }),
    writeFile(path, routed('/piped').replace('configWatch: off\n', '')),
  ]);
  await using ending = gateway;
  await gateway.process.waitFor(/fifo is not a regular file: it was read once/, 20_000);
  gateway.process.signal('SIGHUP');
  await gateway.process.waitFor(/is read at the start only/, 20_000);
  expect((await get(`${ending.url}/piped`)).status).not.toBe(404);
  expect(await gateway.process.stop()).toEqual({ code: 0, signal: null });
}, 60_000);
