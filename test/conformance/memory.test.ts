import { describe, expect, it } from 'vitest';

import { exchangeBytes } from '../../gateway/src/sockets/memory-budget.ts';
import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames } from './subject.ts';
import { message } from './trial.ts';

/** What peers can make an engine hold has a bound as a sum. That all of it is free again at the end is asked of every test. */

const room = { bytes: 4_000_000, heapBytes: 2 ** 30 };
const part = 'x'.repeat(7_000);

describe.each(engineNames)('the %s engine', (engine) => {
  it('gives up the bodies that it keeps, the oldest first, and stays within its memory', async () => {
    const bytes = 2_000_000;
    const origin = await startOrigin({ data: () => undefined });
    const { port, memory, givenUp } = await startEngine(engine, [origin.port], {
      memory: { bytes, heapBytes: 2 ** 30 },
    });
    const body = 'x'.repeat(60_000);
    for (let count = 0; count < 40; count += 1) {
      const client = await openClient(port);
      client.send(message('PUT /', ['Content-Length: 65000'], body));
    }
    await eventually(() => {
      const got = origin.connections.map((connection) => connection.received().length);
      expect(got.filter((length) => length > body.length)).toHaveLength(40);
    });
    expect(new Set(givenUp)).toEqual(new Set(['replay']));
    expect(memory.usedBytes).toBeGreaterThan(40 * exchangeBytes);
    expect(memory.peakBytes).toBeLessThan(bytes);
  });

  it('sends a body once when it can not be kept, and does not blame the client', async () => {
    const broken = await startOrigin({
      data: (connection) => {
        if (connection.received().includes('world')) connection.reset();
      },
    });
    const sound = await startOrigin();
    const put = message('PUT /', ['Transfer-Encoding: chunked'], '5\r\nworld\r\n0\r\n\r\n');
    for (const [memory, status] of [
      [{ bytes: 2 ** 30, heapBytes: 2 ** 30 }, 200],
      [{ bytes: 20_000, heapBytes: 2 ** 30 }, 502],
    ] as const) {
      const { port } = await startEngine(engine, [broken.port, sound.port], { memory });
      expect((await rawExchange(port, put)).status).toBe(status);
    }
  });

  it('counts the requests that wait behind another one, and reads no more of them than it has room for', async () => {
    const bytes = 4_000_000;
    const origin = await startOrigin({ data: () => undefined });
    const { port, memory } = await startEngine(engine, [origin.port], {
      memory: { bytes, heapBytes: 2 ** 30 },
    });
    const heads = message('GET /waits', [`X: ${'x'.repeat(3_000)}`]).repeat(200);
    const clients = await Promise.all(Array.from({ length: 20 }, () => openClient(port)));
    const before = memory.usedBytes;
    for (const client of clients) client.send(message('GET /'));
    await eventually(() => {
      expect(origin.connections).toHaveLength(20);
    });
    for (const client of clients) client.send(heads);
    await eventually(() => {
      expect(memory.usedBytes - before).toBeGreaterThan(20 * 65_536);
    });
    expect(memory.peakBytes).toBeLessThan(bytes);
    for (const client of clients) client.reset();
  });

  it('counts half of a head, and refuses the rest of it when it has no room', async () => {
    const origin = await startOrigin();
    const { port, memory } = await startEngine(engine, [origin.port], { memory: room });
    const clients = await Promise.all(Array.from({ length: 20 }, () => openClient(port)));
    const before = memory.usedBytes;
    for (const client of clients) client.send(`GET / HTTP/1.1\r\nHost: h\r\nX: ${part}`);
    await eventually(() => {
      expect(memory.usedBytes - before).toBeGreaterThan(20 * part.length);
    });
    memory.charge(room.bytes * 0.95);
    clients[0]?.send('x');
    expect((await clients[0]?.response())?.status).toBe(503);
    memory.charge(-room.bytes * 0.95);
    clients[1]?.send('\r\n\r\n');
    expect((await clients[1]?.response())?.status).toBe(200);
    for (const client of clients) client.reset();
  });

  it('counts a body that comes while its request waits', async () => {
    const { port, memory, exchanges } = await startEngine(engine, [], {
      memory: room,
      script: { begin: () => ({ kind: 'wait', timeoutMs: 60_000, ticket: undefined }) },
    });
    const client = await openClient(port);
    client.send(message('POST /', [`Content-Length: ${2 * part.length}`]));
    await eventually(() => {
      expect(exchanges.log).toHaveLength(1);
    });
    const before = memory.usedBytes;
    client.send(part);
    await eventually(() => {
      expect(memory.usedBytes - before).toBeGreaterThanOrEqual(part.length);
    });
    client.reset();
  });

  it.each([
    ['half of a response head', `HTTP/1.1 200 OK\r\nX: ${part}`],
    ['half of a trailer section', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ${part}`],
  ])('counts %s, and ends what it has no room for', async (_what, half) => {
    const origin = await startOrigin({ data: () => undefined });
    const { port, memory } = await startEngine(engine, [origin.port], { memory: room });
    const clients = await Promise.all(Array.from({ length: 20 }, () => openClient(port)));
    for (const client of clients) client.send(message('GET /'));
    await eventually(() => {
      expect(origin.connections).toHaveLength(20);
    });
    const before = memory.usedBytes;
    for (const connection of origin.connections) connection.write(half);
    await eventually(() => {
      expect(memory.usedBytes - before).toBeGreaterThan(20 * part.length);
    });
    memory.charge(room.bytes);
    origin.connections[0]?.write('x');
    await eventually(() => {
      expect(origin.open()).toBe(19);
    });
    memory.charge(-room.bytes);
    for (const client of clients) client.reset();
  });

  it('closes connections after their answers, and takes no new ones, when its memory is used up', async () => {
    const origin = await startOrigin();
    const { port, memory } = await startEngine(engine, [origin.port], {
      memory: { bytes: 100_000, heapBytes: 2 ** 30 },
    });
    const client = await openClient(port);
    client.send(message('GET /'));
    expect((await client.response()).fields.join()).not.toContain('close');
    memory.charge(85_000);
    client.send(message('GET /'));
    expect((await client.response()).fields.join()).toContain('close');
    memory.charge(15_000);
    await expect(rawExchange(port, message('GET /'))).rejects.toThrow();
    memory.charge(-100_000);
    expect((await rawExchange(port, message('GET /'))).status).toBe(200);
  });
});
