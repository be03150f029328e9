import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { startFakeGateway } from '../../../test/kit/fake-gateway.ts';
import { healthRecord } from '../../../test/kit/health-record.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';

import { systemClock } from './clock.ts';
import { createGateways } from './gateways.ts';
import type { Report } from './log.ts';

const ends: (() => PromiseLike<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function gateway() {
  const fake = await startFakeGateway();
  ends.push(() => fake[Symbol.asyncDispose]());
  return fake;
}

/** A server at a gateway's address that sends this, whatever is asked. Resolves with the port. */
async function saying(speak: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => undefined)
      .once('data', () => {
        speak(socket);
      });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** A registry that lists these gateways; `list` may change its answer between two questions. */
function asking(list: () => unknown[], gateways = 'roundhouse', consulHost = '127.0.0.1') {
  const reads: string[] = [];
  const serviceHealth = (service: string) => {
    reads.push(service);
    return Promise.resolve().then(() => ({
      body: list(),
      index: '7',
      knownLeader: true,
      lastContactMs: 0,
      filteredByAcl: false,
    }));
  };
  const address = { kind: 'tcp', host: consulHost };
  const client = { serviceHealth, address } as unknown as RegistryClient;
  const lines: string[] = [];
  const report: Report = (level, _kind, message) => lines.push(`${level}: ${message}`);
  return {
    reads,
    lines,
    gateways: createGateways({
      client,
      gateways,
      service: 'api',
      id: 'api-1',
      key: 'k1',
      clock: systemClock,
      report,
    }),
  };
}

function row(id: string, port: number, status = 'passing', createIndex = 7) {
  // Gateways of these tests share a port, and each is one of its own.
  const meta = { 'roundhouse-identity': '1' };
  return healthRecord(id, { service: 'roundhouse', address: '127.0.0.1', port, status, meta, createIndex });
}

const never = new AbortController().signal;

const head = (status: string, field: string) =>
  `HTTP/1.1 ${status}\r\nconnection: upgrade\r\n${field}\r\n\r\n`;

function flood(status: string, field: string): (socket: Socket) => void {
  return (socket) => {
    const chunk = `1000\r\n${' '.repeat(4_096)}\r\n`;
    const more = () => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', more).write(head(status, field));
    more();
  };
}

describe('gateways', () => {
  it('confirm together, each asked for this instance and no longer than needed', async () => {
    const [a, b] = [await gateway(), await gateway()];
    const { gateways, reads } = asking(() => [row('g-a', a.port), row('g-b', b.port, 'warning')]);
    const report = await gateways.confirmLive(5_000, never);
    expect(report).toMatchObject({
      confirmed: 2,
      problem: undefined,
      gateways: [
        { gateway: 'g-a', address: `127.0.0.1:${a.port}`, outcome: 'confirmed', reason: '' },
        { gateway: 'g-b', outcome: 'confirmed' },
      ],
    });
    expect([a.asked, b.asked]).toEqual([['api-1'], ['api-1']]);
    expect(reads).toEqual(['roundhouse', 'roundhouse']);
  });

  it('are asked again until they have stopped sending', async () => {
    const [a, b] = [await gateway(), await gateway()];
    b.answer('unknown');
    const { gateways } = asking(() => [row('g-a', a.port), row('g-b', b.port)]);
    const confirmed = gateways.confirmDrained(5_000);
    await eventually(() => {
      expect(a.asked.length).toBeGreaterThan(2);
    });
    a.answer('draining');
    expect(await confirmed).toMatchObject({ confirmed: 2 });
    expect(b.asked).toHaveLength(1);
  });

  it('that are not confirmed in time are named with the reason', async () => {
    const [stubborn, doubtful, hung] = [await gateway(), await gateway(), await gateway()];
    doubtful.answer({ out: 'connection refused' });
    hung.answer('hang');
    const rows = [row('g-1', stubborn.port), row('g-2', doubtful.port), row('g-3', hung.port)];
    const { gateways } = asking(() => rows);
    const report = await gateways.confirmDrained(300);
    expect(report.elapsedMs).toBeLessThan(1_000);
    expect(report.gateways.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['pending', 'it still sends requests here'],
      ['out', 'connection refused'],
      ['pending', 'it has not answered'],
    ]);
    expect(await gateways.confirmLive(100, never)).toMatchObject({ confirmed: 1 });
  });

  it('that have just died cost three tries, not the whole time; so do other servers', async () => {
    const dead = await gateway();
    await dead[Symbol.asyncDispose]();
    const stranger = await gateway();
    stranger.answer(404);
    const { gateways } = asking(() => [row('g-dead', dead.port), row('g-strange', stranger.port)]);
    const report = await gateways.confirmDrained(60_000);
    expect(report.elapsedMs).toBeLessThan(5_000);
    expect(report.gateways.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['unreachable', 'connection refused'],
      ['unreachable', 'it answered with status 404'],
    ]);
    expect(stranger.asked).toHaveLength(3);
  });

  it.each<[string, RegExp, (socket: Socket) => void]>([
    ['another protocol', /./, (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    ['nothing but an end', /reset/, (socket) => socket.end()],
    ['a reset', /reset/, (socket) => socket.resetAndDestroy()],
    ['a redirect', /302/, (socket) => socket.end(head('302 Found', 'location: http://127.0.0.1:1/'))],
    [
      'an upgrade',
      /without an answer/,
      (socket) => socket.write(head('101 Switching Protocols', 'upgrade: x')),
    ],
    ['half an answer', /./, (socket) => socket.end(`${head('200 OK', 'content-length: 99')}{"ga`)],
    ['an endless answer', /too long/, flood('200 OK', 'transfer-encoding: chunked')],
    ['an endless head', /./, (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1_000_000)}`)],
    ['another server’s page', /not a gateway's/, (socket) => socket.end(`${head('200 OK', 'x: y')}<html>`)],
  ])('that answer with %s are not waited for', async (_what, reason, speak) => {
    const port = await saying(speak);
    const { gateways } = asking(() => [row('g', port)]);
    const { confirmed, elapsedMs, gateways: verdicts } = await gateways.confirmDrained(60_000);
    expect(confirmed).toBe(0);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['unreachable']);
    expect(verdicts[0]?.reason).toMatch(reason);
    // Less than one question may take, so the end of its time was not waited for.
    expect(elapsedMs).toBeLessThan(3_000);
  });

  it('in any number are asked without a warning of Node’s', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    ends.push(() => Promise.resolve(void process.off('warning', warned)));
    const hung = await gateway();
    hung.answer('hang');
    const rows = Array.from({ length: 30 }, (_, i) => row(`g-${i}`, hung.port));
    const ending = new AbortController();
    const confirmed = asking(() => rows).gateways.confirmLive(60_000, ending.signal);
    await eventually(() => {
      expect(hung.asked).toHaveLength(30);
    });
    ending.abort();
    expect((await confirmed).gateways).toHaveLength(30);
    expect(warnings).toEqual([]);
  });

  it('in any number are asked a bounded number at a time, the oldest first; at the stop only those that have answered', async () => {
    const [hung, real] = [await gateway(), await gateway()];
    hung.answer('hang');
    const fakes = Array.from({ length: 300 }, (_, i) => row(`fake-${i}`, hung.port));
    const { gateways, lines } = asking(() => [...fakes, row('real', real.port, 'passing', 3)]);
    const live = await gateways.confirmLive(1_000, never);
    expect(live).toMatchObject({ confirmed: 1, gateways: { length: 301 } });
    expect(hung.asked).toHaveLength(32);
    expect(lines[0]).toMatch(/^warn: live on 1\/301 gateways in \d+ ms; .*; and 292 more$/);
    real.answer('draining');
    expect(await gateways.confirmDrained(60_000)).toMatchObject({ confirmed: 1, gateways: { length: 301 } });
    expect(hung.asked).toHaveLength(32);
    expect(real.asked).toHaveLength(2);
  });

  it('that can be at no such address are not asked', async () => {
    const real = await gateway();
    const elsewhere = asking(() => [row('real', real.port)], 'roundhouse', '10.0.0.1');
    expect((await elsewhere.gateways.confirmDrained(60_000)).gateways).toMatchObject([
      { outcome: 'unreachable', reason: 'it is a loopback address, and Consul is on another machine' },
    ]);
    const named = healthRecord('named', { service: 'roundhouse', address: 'localhost', port: real.port });
    const byName = asking(() => [named], 'roundhouse', '10.0.0.1');
    expect((await byName.gateways.confirmDrained(60_000)).gateways).toMatchObject([
      { outcome: 'unreachable', reason: 'its name resolves to no address of a gateway' },
    ]);
    expect(real.asked).toEqual([]);
    const nearby = asking(() => [named]);
    expect(await nearby.gateways.confirmLive(5_000, never)).toMatchObject({ confirmed: 1 });
  });

  it('that are overloaded are asked on', async () => {
    const busy = await gateway();
    busy.answer(503);
    const { gateways } = asking(() => [row('g', busy.port)]);
    const confirmed = gateways.confirmLive(10_000, never);
    await eventually(() => {
      expect(busy.asked.length).toBeGreaterThan(4);
    });
    busy.answer('live');
    expect(await confirmed).toMatchObject({ confirmed: 1 });
  });

  it('that come while the others are asked are asked too; those that are sick or leave are not', async () => {
    const [first, second, sick] = [await gateway(), await gateway(), await gateway()];
    let listed = [row('g-1', first.port), row('g-sick', sick.port, 'critical')];
    const { gateways } = asking(() => listed);
    first.answer('unknown');
    const confirmed = gateways.confirmLive(10_000, never);
    await eventually(() => {
      expect(first.asked.length).toBeGreaterThan(0);
    });
    listed = [row('g-1', first.port), row('g-2', second.port)];
    first.answer('live');
    expect(await confirmed).toMatchObject({ confirmed: 2 });
    expect(sick.asked).toEqual([]);
  });

  it('are none where none is registered, none is to be asked, or Consul fails', async () => {
    const none = { gateways: [], confirmed: 0, problem: undefined };
    const without = asking(() => []);
    expect(await without.gateways.confirmDrained(5_000)).toMatchObject(none);
    expect(await without.gateways.confirmLive(5_000, never)).toMatchObject(none);
    expect(without.lines).toEqual([]);
    const off = asking(() => [row('g', 1)], 'off');
    expect(await off.gateways.confirmDrained(5_000)).toMatchObject(none);
    // A gateway registers by this SDK too, and does not wait for its own kind.
    const itself = asking(() => [row('g', 1)], 'API');
    expect(await itself.gateways.confirmDrained(5_000)).toMatchObject(none);
    expect([off.reads, itself.reads]).toEqual([[], []]);
    const broken = asking(() => {
      throw new Error('no leader');
    });
    expect(await broken.gateways.confirmDrained(5_000)).toMatchObject({ gateways: [], problem: 'no leader' });
  });

  it('are named in one line, those that have not confirmed with the reason', async () => {
    const [good, out, ignorant, dead] = [await gateway(), await gateway(), await gateway(), await gateway()];
    out.answer({ out: 'connection refused at 10.0.0.5:3000' });
    ignorant.answer('unknown');
    await dead[Symbol.asyncDispose]();
    const rows = [good, out, ignorant, dead].map(({ port }, i) => row(`g-${i}`, port));
    const some = asking(() => rows);
    await some.gateways.confirmLive(300, never);
    expect(some.lines[0]?.split('; ').sort()).toEqual([
      expect.stringMatching(/^gateway g-1 leaves this instance out: connection refused at 10\.0\.0\.5:3000$/),
      'gateway g-2: it does not know this instance yet',
      expect.stringMatching(/^gateway g-3 can't be asked at 127\.0\.0\.1:\d+: connection refused$/),
      expect.stringMatching(/^warn: live on 1\/4 gateways in \d+ ms$/),
    ]);
    const all = asking(() => rows.slice(2, 3));
    await all.gateways.confirmDrained(5_000);
    expect(all.lines).toEqual([
      expect.stringMatching(/^info: draining acknowledged by 1\/1 gateways in \d+ ms$/),
    ]);
  });

  it('are left alone as soon as the signal says so', async () => {
    const hung = await gateway();
    hung.answer('hang');
    const { gateways, lines } = asking(() => [row('g', hung.port)]);
    const ending = new AbortController();
    const confirmed = gateways.confirmLive(600_000, ending.signal);
    await eventually(() => {
      expect(hung.asked).toHaveLength(1);
    });
    ending.abort();
    expect(await confirmed).toMatchObject({ confirmed: 0 });
    expect(lines).toEqual([]);
  });
});
