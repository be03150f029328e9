import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request, type RequestOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../../../test/kit/eventually.ts';
import { createApiApp } from './app.ts';

let app: ReturnType<typeof createApiApp>;
let port: number;

beforeEach(async () => {
  app = createApiApp({
    identity: () => ({ name: 'api-service', id: 'api-service-x7k2', port }),
    logLevel: 'silent',
    eventIntervalMs: 5,
    pingIntervalMs: 50,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
});

afterEach(async () => {
  app.server.closeAllConnections();
  await app.close();
});

function send(path: string, options: RequestOptions = {}): ClientRequest {
  return request({ host: '127.0.0.1', port, path, agent: false, ...options });
}

async function response(sent: ClientRequest): Promise<IncomingMessage> {
  const [incoming] = (await once(sent, 'response')) as [IncomingMessage];
  return incoming;
}

async function body(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function connections(): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

describe('/api/echo', () => {
  it('sends the first part back before the second has been sent', async () => {
    const sent = send('/api/echo', { method: 'POST', headers: { 'content-type': 'text/x-made-up' } });
    sent.write('one');
    const incoming = await response(sent);
    expect(incoming.headers['content-type']).toBe('text/x-made-up');
    const [first] = (await once(incoming, 'data')) as [Buffer];
    expect(first.toString()).toBe('one');
    sent.end('two');
    expect((await body(incoming)).toString()).toBe('two');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET'])('takes a body with %s', async (method) => {
    const sent = send('/api/echo', { method, headers: { 'content-length': 5 } });
    sent.end('hello');
    const incoming = await response(sent);
    expect(incoming.headers['content-length']).toBe('5');
    expect((await body(incoming)).toString()).toBe('hello');
  });

  it('answers HEAD without a body', async () => {
    const sent = send('/api/echo', { method: 'HEAD' });
    sent.end();
    const incoming = await response(sent);
    expect(incoming.statusCode).toBe(200);
    expect(await body(incoming)).toHaveLength(0);
  });

  it('neither parses nor limits what it is given', async () => {
    const sent = send('/api/echo', { method: 'POST', headers: { 'content-type': 'application/json' } });
    const large = Buffer.alloc(8 * 2 ** 20, '{not json');
    sent.end(large);
    const echoed = await body(await response(sent));
    expect(echoed.equals(large)).toBe(true);
  });

  it('stops reading from a client that does not read', async () => {
    const sent = send('/api/echo', { method: 'POST' });
    sent.write('x');
    const incoming = await response(sent);
    incoming.pause();
    const chunk = Buffer.alloc(2 ** 20);
    let accepted = 0;
    const flood = () => {
      while (accepted < 512 && sent.write(chunk)) accepted += 1;
    };
    sent.on('drain', flood);
    flood();
    // What fits into the sockets' buffers goes out; then the client's own queue is what fills up.
    await eventually(() => {
      expect(sent.writableNeedDrain).toBe(true);
    });
    expect(accepted).toBeLessThan(64);
    sent.destroy();
  });

  it('lets go of the connection when the client leaves in the middle', async () => {
    const sent = send('/api/echo', { method: 'POST' });
    sent.on('error', () => undefined);
    sent.write('x');
    const incoming = await response(sent);
    incoming.on('error', () => undefined);
    sent.destroy();
    await eventually(async () => {
      expect(await connections()).toBe(0);
    });
  });
});

describe('/api/bytes', () => {
  it.each([0, 1, 65_535, 65_536, 200_000])('sends %i bytes of the known pattern', async (n) => {
    const sent = send(`/api/bytes?n=${n}`);
    sent.end();
    const incoming = await response(sent);
    expect(incoming.headers['content-length']).toBe(String(n));
    const received = await body(incoming);
    expect(received).toHaveLength(n);
    expect(received.every((byte, i) => byte === i % 256)).toBe(true);
  });

  it('announces a length to HEAD without making the bytes', async () => {
    const sent = send('/api/bytes?n=1073741824', { method: 'HEAD' });
    sent.end();
    expect((await response(sent)).headers['content-length']).toBe('1073741824');
  });

  it('refuses more than 1 GiB', async () => {
    const sent = send('/api/bytes?n=1073741825');
    sent.end();
    expect((await response(sent)).statusCode).toBe(400);
  });
});

describe('/api/slow', () => {
  it('ends its wait when the client leaves', async () => {
    const sent = send('/api/slow?ms=60000');
    sent.on('error', () => undefined);
    sent.end();
    await eventually(async () => {
      expect(await connections()).toBe(1);
    });
    sent.destroy();
    await eventually(async () => {
      expect(await connections()).toBe(0);
    });
    // Were the wait still on, closing would have to wait for it as well.
    await app.close();
  });
});

describe('/api/events', () => {
  async function firstEvents(headers: Record<string, string>, count: number): Promise<string> {
    const sent = send('/api/events', { headers });
    sent.on('error', () => undefined);
    sent.end();
    const incoming = await response(sent);
    expect(incoming.headers['content-type']).toBe('text/event-stream');
    let text = '';
    for await (const chunk of incoming) {
      text += String(chunk);
      if (text.split('\nevent: tick\n').length > count) break;
    }
    sent.destroy();
    return text;
  }

  it('sends events with increasing ids', async () => {
    const text = await firstEvents({}, 3);
    expect([...text.matchAll(/^id: (\d+)$/gm)].slice(0, 3).map((match) => match[1])).toEqual(['1', '2', '3']);
    expect(text).toContain('"instance":"api-service-x7k2"');
  });

  it('goes on after the Last-Event-ID', async () => {
    expect(await firstEvents({ 'last-event-id': '41' }, 1)).toContain('id: 42\n');
  });

  it('starts anew after a Last-Event-ID that makes no sense', async () => {
    expect(await firstEvents({ 'last-event-id': '-7; drop' }, 1)).toContain('id: 1\n');
  });

  it('ends whole when the app closes', async () => {
    const sent = send('/api/events');
    sent.end();
    const incoming = await response(sent);
    const read = body(incoming);
    await app.close();
    expect((await read).toString()).toMatch(/^retry: 1000\n\n/);
    expect(incoming.complete).toBe(true);
  });

  it('lets go of the connection when the client leaves', async () => {
    await firstEvents({}, 1);
    await eventually(async () => {
      expect(await connections()).toBe(0);
    });
  });
});

describe('/api/ws', () => {
  async function connect(): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/ws`);
    await once(socket, 'open');
    return socket;
  }

  it.each([
    ['text', 'grüß dich', false],
    ['binary', Buffer.from([0, 255, 1]), true],
  ])('sends %s back as it came', async (_kind, message, binary) => {
    const socket = await connect();
    socket.send(message);
    const [echoed, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
    expect(echoed.equals(Buffer.from(message))).toBe(true);
    expect(isBinary).toBe(binary);
    socket.terminate();
  });

  it('keeps the order of many large messages', async () => {
    const socket = await connect();
    const received: number[] = [];
    socket.on('message', (message: Buffer) => received.push(message.readUInt32BE(0)));
    for (let i = 0; i < 40; i += 1) {
      const message = Buffer.alloc(900_000);
      message.writeUInt32BE(i);
      socket.send(message);
    }
    await eventually(() => {
      expect(received).toEqual(Array.from({ length: 40 }, (_, i) => i));
    });
    socket.terminate();
  });

  it('closes with 1009 on a message over 1 MiB', async () => {
    const socket = await connect();
    socket.send(Buffer.alloc(2 ** 20 + 1));
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1009);
  });

  it('says 1001 to its clients when the app closes', async () => {
    const socket = await connect();
    const closed = once(socket, 'close');
    await app.close();
    expect((await closed)[0]).toBe(1001);
  });

  it('cuts a client that does not answer pings', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/ws`, { autoPong: false });
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1006);
  });

  it('keeps a client that answers pings', async () => {
    const socket = await connect();
    for (let pings = 0; pings < 4; pings += 1) await once(socket, 'ping');
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });

  it('answers 426 to a plain request', async () => {
    const sent = send('/api/ws');
    sent.end();
    const incoming = await response(sent);
    expect(incoming.statusCode).toBe(426);
    expect(incoming.headers.upgrade).toBe('websocket');
  });

  it('does not switch protocols on a path without a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/whoami`);
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('200');
  });
});
