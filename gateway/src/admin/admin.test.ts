import { connect } from 'node:net';

import { describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { configWorld } from '../config/testing/config-world.ts';
import { fakeStatus } from '../status/testing/fake-status.ts';
import { createAdmin } from './admin.ts';

const quiet = (): void => undefined;

function admin(onCrowding: Parameters<typeof createAdmin>[0]['onCrowding'] = quiet) {
  return createAdmin({
    status: fakeStatus(),
    actions: { release: () => undefined, releaseRoute: () => undefined },
    config: { control: configWorld().control, table: { changes: [] } },
    explain: () => ({}) as never,
    guard: () => ({ token: 'off', hosts: [] }),
    connections: 8,
    onCrowding,
    metrics: { text: () => Promise.resolve(''), contentType: 'text/plain' },
    log: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
}

describe('the admin listener', () => {
  it('listens on the port it reports, and guards loopback by Host', async () => {
    const one = admin();
    const { host, port } = await one.listen({ host: '127.0.0.1', port: 0 });
    expect(host).toBe('127.0.0.1');
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    const raw = await exchange(
      port,
      'GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    );
    expect(raw).toMatch(/^HTTP\/1\.1 403 /);
    await one.stop();
  });

  it('gives half-open requests up for new ones when there are too many, and tells so', async () => {
    const crowding = new Set<string>();
    const one = admin(({ limit, outcome, connections }) => {
      crowding.add(`${limit} ${outcome} ${connections}`);
    });
    const { port } = await one.listen({ host: '127.0.0.1', port: 0 });
    const half = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of half) {
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nHo');
    }
    await eventually(async () => {
      const answer = exchange(port, 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      expect(await answer.catch(() => '')).toMatch(/^HTTP\/1\.1 200 /);
    });
    expect(half.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(8);
    expect([...crowding]).toContain('address made_room 6');
    await one.stop();
  });

  it('ends at once, with idle connections and half a request open, and stops twice without harm', async () => {
    const one = admin();
    const { port } = await one.listen({ host: '127.0.0.1', port: 0 });
    await fetch(`http://127.0.0.1:${port}/livez`);
    const half = connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => half.once('connect', resolve));
    half.write('GET / HTTP/1.1\r\nHo');
    half.on('error', quiet);
    const closed = new Promise<void>((resolve) =>
      half.once('close', () => {
        resolve();
      }),
    );
    half.resume();
    await one.stop();
    await one.stop();
    await closed;
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  });

  it('rejects with the system error when the port is taken, and can try again', async () => {
    const [one, two] = [admin(), admin()];
    const { port } = await one.listen({ host: '127.0.0.1', port: 0 });
    await expect(two.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await two.listen({ host: '127.0.0.1', port: 0 });
    await two.stop();
    await one.stop();
    await admin().stop();
  });
});

function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(text);
    });
    socket.write(request);
  });
}
