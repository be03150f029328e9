import { describe, expect, it } from 'vitest';
import { startProcess } from './kit/processes.ts';

const node = (script: string, env: Record<string, string> = {}) =>
  startProcess({ args: ['-e', script], env });
const idle = 'setInterval(() => {}, 1000);';

describe('startProcess', () => {
  it('waits for a line and returns what was found in it', async () => {
    await using started = await node(`console.error('listening on 127.0.0.1:4711'); ${idle}`);
    const [, port] = await started.waitFor(/listening on .*:(\d+)/);
    expect(port).toBe('4711');
  });

  it('says what a process wrote that ends too early', async () => {
    await using started = await node("console.log('no such thing'); process.exit(3);");
    await expect(started.waitFor(/listening/)).rejects.toThrow(/code 3 before[^]*no such thing/);
    expect(await started.ended).toEqual({ code: 3, signal: null });
  });

  it('gives up on a line that never comes', async () => {
    await using started = await node(idle);
    await expect(started.waitFor(/listening/, 30)).rejects.toThrow('within 30 ms');
  });

  it('rejects when there is no such program', async () => {
    await expect(startProcess({ command: '/nowhere/nothing', args: [] })).rejects.toThrow('ENOENT');
  });

  it('passes its own environment on and nothing of the tests', async () => {
    process.env['CONSUL_HTTP_ADDR'] = 'http://192.0.2.1:8500';
    await using started = await node('console.log(process.env.CONSUL_HTTP_ADDR, process.env.MINE, "!")', {
      MINE: 'yes',
    });
    delete process.env['CONSUL_HTTP_ADDR'];
    await started.ended;
    expect(started.stdout()).toBe('undefined yes !\n');
  });

  it('stops with a signal and tells the exit code', async () => {
    const started = await node(`process.on('SIGTERM', () => process.exit(7)); console.log('up'); ${idle}`);
    await started.waitFor(/up/);
    expect(await started.stop()).toEqual({ code: 7, signal: null });
    expect(started.group()).toBe('empty');
  });

  it('leaves nothing behind, not even the children of a process that was killed', async () => {
    const started = await node(
      `const { spawn } = require('node:child_process');
       const child = spawn(process.execPath, ['-e', '${idle}'], { stdio: 'ignore' });
       console.log('child', child.pid); ${idle}`,
    );
    await started.waitFor(/child \d+/);
    await started.stop('SIGKILL');
    expect(started.group()).toBe('running');
    await started[Symbol.asyncDispose]();
    expect(started.group()).toBe('empty');
  });
});
