import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { bind, type PortChoice } from './bind.ts';
import { applicationFor } from './application.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

function application() {
  const app = applicationFor(() => undefined)!;
  open.push(app.server);
  return app;
}

async function occupy(port = 0): Promise<number> {
  const server = createServer();
  open.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function bindReal(choice: PortChoice, random: () => number = Math.random): Promise<number> {
  const app = application();
  await bind({ listen: app.listen, choice, host: '127.0.0.1', random, origin: 'option port' });
  return (app.server.address() as AddressInfo).port;
}

describe('bind', () => {
  it('takes a port of the range, above the random base', async () => {
    const port = await bindReal({ kind: 'range', from: 21_000, to: 21_999 }, () => 0.5);
    expect(port).toBeGreaterThanOrEqual(21_500);
    expect(port).toBeLessThanOrEqual(21_999);
  });

  it('gives each of many that start at once a port of its own', async () => {
    const range: PortChoice = { kind: 'range', from: 22_000, to: 22_099 };
    const ports = await Promise.all(Array.from({ length: 12 }, () => bindReal(range, () => 0.3)));
    expect(new Set(ports).size).toBe(12);
  });

  it('starts over when a found port is lost before it is bound', async () => {
    const taken = await occupy();
    const free = await occupy();
    open.pop()?.close();
    const found = [taken, taken, free];
    const app = application();
    await bind({
      listen: app.listen,
      choice: { kind: 'range', from: 1024, to: 65_535 },
      host: '127.0.0.1',
      random: Math.random,
      origin: 'option port',
      findPort: () => Promise.resolve(found.shift() ?? 0),
    });
    expect((app.server.address() as AddressInfo).port).toBe(free);
  });

  it('looks below the random base when everything above it is taken', async () => {
    const bound: number[] = [];
    await bind({
      listen: ({ port, exclusive }) => Promise.resolve(void bound.push(exclusive ? port : -1)),
      choice: { kind: 'range', from: 30_000, to: 30_001 },
      host: '127.0.0.1',
      random: () => 0.99,
      origin: 'option port',
      findPort: (from) => (from === 30_000 ? Promise.resolve(30_000) : Promise.reject(new Error('none'))),
    });
    expect(bound).toEqual([30_000]);
  });

  it('says which setting names a port that is in use', async () => {
    const port = await occupy();
    await expect(bindReal({ kind: 'fixed', port })).rejects.toMatchObject({
      code: 'port_unavailable',
      message: expect.stringMatching(`port ${port} .*option port.*EADDRINUSE`) as string,
    });
  });

  it('gives up on a range without a free port', async () => {
    const port = await occupy();
    await expect(bindReal({ kind: 'range', from: port, to: port })).rejects.toMatchObject({
      code: 'port_unavailable',
    });
  });

  it('falls back to IPv4 where there is no IPv6', async () => {
    const hosts: string[] = [];
    await bind({
      listen: ({ host }) => {
        hosts.push(host);
        return host === '::'
          ? Promise.reject(Object.assign(new Error('no'), { code: 'EAFNOSUPPORT' }))
          : Promise.resolve();
      },
      choice: { kind: 'fixed', port: 0 },
      host: undefined,
      random: Math.random,
      origin: 'option port',
    });
    expect(hosts).toEqual(['::', '0.0.0.0']);
  });
});
