import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { RawClient } from '../kit/raw-client.ts';
import { ok } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames } from './subject.ts';
import { message } from './trial.ts';

/** Clients that send a body or take a response too slowly; and those that only wait. */

const limits = { minBytesPerSecond: 10_000, paceMs: 200 };
const timeouts = { idleMs: 60_000, responseHeadMs: 60_000 };

/** Sends a byte every now and then until the test is over. */
function drip(client: RawClient): void {
  const timer = setInterval(() => {
    client.send('x');
  }, 20);
  onTestFinished(() => {
    clearInterval(timer);
  });
}

const chunks = Buffer.alloc(1_048_576, 'x');

describe.each(engineNames)('pace through the %s engine', (engine) => {
  it('ends a body that drips with 408, blames nobody, and leaves those alone who wait for an answer', async () => {
    const origin = await startOrigin({});
    const { port, exchanges } = await startEngine(engine, [origin.port], { limits, timeouts });
    const waiting = await openClient(port);
    waiting.send(message('GET /poll', []));
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    const slow = await openClient(port);
    slow.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
    drip(slow);
    expect((await slow.response('POST')).status).toBe(408);
    expect(exchanges.log[1]?.failures).toMatchObject([{ code: 'request_timeout' }]);
    origin.connections[0]?.write(ok());
    expect((await waiting.response()).status).toBe(200);
  });

  it('cuts a response that its client does not take, and not one that the instance is slow with', async () => {
    const origin = await startOrigin({
      request: ({ target }, connection) => {
        connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
        if (target === '/large') for (let k = 0; k < 30; k += 1) connection.write(chunk(chunks));
        return undefined;
      },
    });
    const { port, exchanges } = await startEngine(engine, [origin.port], { limits, timeouts });
    const stream = await openClient(port);
    stream.send(message('GET /stream', []));
    await eventually(() => {
      expect(stream.received()).toContain('a');
    });
    const lazy = await openClient(port);
    lazy.socket.pause();
    lazy.send(message('GET /large', []));
    await eventually(() => {
      expect(exchanges.log[1]?.end).toBeDefined();
    });
    expect(exchanges.log[0]?.end).toBeUndefined();
    origin.connections[0]?.write('1\r\nb\r\n0\r\n\r\n');
    expect((await stream.response()).body).toBe('ab');
  });
});

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
