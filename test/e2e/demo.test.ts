import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startProcess } from '../kit/processes.ts';

const demo = (args: string[] = []) =>
  startProcess({
    args: ['gateway/dist/cli.js', 'demo', ...args],
    env: { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' },
  });

it('shows the whole system in one readable block, serves it, and leaves no process behind', async () => {
  await using process = await demo(['--api', '3', '--webapp', '1']);
  await process.waitFor(/Ctrl-C stops everything/, 30_000);
  const block = process.stdout();
  const [, url = ''] = /Site\s+(http:\/\/localhost:\d+)\//.exec(block) ?? [];
  expect(block.match(/● api-service-/g)).toHaveLength(3);
  expect(block.match(/● webapp-service-/g)).toHaveLength(1);
  expect(block).toMatch(/\/api +→ api-service/);
  const seen = new Set<string>();
  for (let i = 0; i < 6; i += 1)
    seen.add((JSON.parse((await get(`${url}/api/whoami`)).body) as { instance: string }).instance);
  expect(seen.size).toBe(3);
  expect((await get(`${url}/`)).body).toContain('<html');
  expect(await process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(process.group()).toBe('empty');
});

it('stops the same way on SIGINT', async () => {
  await using process = await demo(['--api', '1', '--webapp', '0']);
  await process.waitFor(/Ctrl-C stops everything/, 30_000);
  expect(await process.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(process.group()).toBe('empty');
});

it('drains and exits 0 when the signal goes to npm alone, as a supervisor would send it', async () => {
  await using process = await startProcess({
    command: 'npm',
    args: ['run', 'demo', '--', '--api', '1', '--webapp', '0'],
    env: { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' },
  });
  await process.waitFor(/Ctrl-C stops everything/, 60_000);
  expect(await process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(process.group()).toBe('empty');
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  'drains and exits 0 when a terminal or systemd sends %s to the whole group, npm included',
  async (signal) => {
    await using started = await startProcess({
      command: 'npm',
      args: ['run', 'demo', '--', '--api', '1', '--webapp', '1'],
      env: { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' },
    });
    await started.waitFor(/Ctrl-C stops everything/, 60_000);
    process.kill(-started.pid, signal);
    expect(await started.ended).toEqual({ code: 0, signal: null });
    expect(started.output()).toContain('Stopping: every instance announces that it leaves');
    expect(started.output()).not.toContain('does not finish');
    await eventually(() => {
      expect(started.group()).toBe('empty');
    }, 20_000);
  },
);

it('takes its services along when it is killed without a chance to stop them', async () => {
  await using process = await demo(['--api', '2', '--webapp', '1']);
  await process.waitFor(/Ctrl-C stops everything/, 30_000);
  await process.stop('SIGKILL');
  await eventually(() => {
    expect(process.group()).toBe('empty');
  }, 20_000);
});

it('says what is wrong with its counts', async () => {
  await using process = await demo(['--api', 'many']);
  expect(await process.ended).toEqual({ code: 1, signal: null });
  expect(process.output()).toContain('--api many: a number from 0 to 50 is expected.');
});
