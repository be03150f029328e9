import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';

import { eventually } from '../../kit/eventually.ts';
import { closedLoop } from './closed-loop.ts';
import { openIdle } from './idle.ts';
import type { LoadRequest } from './load.ts';
import { paced } from './paced.ts';
import { webSocketEcho } from './websocket.ts';

const small: LoadRequest = { path: '/small', uploadBytes: 0, connections: 4, connectionUse: 'kept' };
const servers: Server[] = [];

async function serve(listener: RequestListener): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function untilDeserted(server: Server): Promise<void> {
  await eventually(async () => {
    const open = await new Promise<number>((resolve) => {
      server.getConnections((_error, count) => {
        resolve(count);
      });
    });
    expect(open).toBe(0);
  });
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

describe('closedLoop', () => {
  it('counts what the server answered, and leaves no connection behind', async () => {
    let served = 0;
    const { server, port } = await serve((_request, response) => {
      served += 1;
      response.end('x'.repeat(80));
    });
    const result = await closedLoop(port, small, 100);
    expect(result.errors).toBe(0);
    expect(result.requests).toBeGreaterThan(0);
    expect(served - result.requests).toBeLessThanOrEqual(small.connections);
    await untilDeserted(server);
  });

  it('opens a connection for each request when it is told to', async () => {
    let connections = 0;
    const { server, port } = await serve((_request, response) => {
      response.end('x');
    });
    server.on('connection', () => (connections += 1));
    const { requests } = await closedLoop(port, { ...small, connectionUse: 'renewed' }, 100);
    expect(connections).toBeGreaterThanOrEqual(requests);
    await untilDeserted(server);
  });

  it('sends the whole upload', async () => {
    const sizes = new Set<number>();
    const { port } = await serve((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => {
        sizes.add(bytes);
        response.end();
      });
    });
    await closedLoop(port, { ...small, uploadBytes: 65_536 }, 50);
    expect([...sizes]).toEqual([65_536]);
  });

  it('counts refusals and other statuses as errors', async () => {
    const { server, port } = await serve((_request, response) => {
      response.writeHead(503).end();
    });
    expect(await closedLoop(port, small, 50)).toMatchObject({
      requests: 0,
      errors: expect.any(Number) as number,
    });
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    const refused = await closedLoop(port, small, 50);
    expect(refused.requests).toBe(0);
    expect(refused.errors).toBeGreaterThan(0);
  });
});

describe('paced', () => {
  it('sends no more than is due', async () => {
    let served = 0;
    const { server, port } = await serve((_request, response) => {
      served += 1;
      response.end('x');
    });
    const result = await paced(port, small, { ratePerSecond: 500, durationMs: 200 });
    expect(result).toMatchObject({ requests: 100, errors: 0 });
    expect(served).toBe(100);
    await untilDeserted(server);
  });

  it('counts the wait for a free connection as latency', async () => {
    const { port } = await serve((_request, response) => {
      setTimeout(() => response.end('x'), 20);
    });
    const result = await paced(port, { ...small, connections: 1 }, { ratePerSecond: 200, durationMs: 100 });
    expect(result.p99Us).toBeGreaterThan(150_000);
  });

  it('reports what stays unanswered', async () => {
    const { server, port } = await serve(() => undefined);
    const result = await paced(port, small, { ratePerSecond: 100, durationMs: 50 });
    expect(result).toMatchObject({ requests: 0, errors: 5 });
    await untilDeserted(server);
  });
});

describe('webSocketEcho', () => {
  it('counts echoes of a real WebSocket server', async () => {
    const { server, port } = await serve((_request, response) => response.end());
    const echo = new WebSocketServer({ server });
    const texts = new Set<string>();
    echo.on('connection', (socket) => {
      socket.on('message', (data: Buffer) => {
        texts.add(data.toString());
        socket.send(data.toString());
      });
    });
    const result = await webSocketEcho(port, { connections: 4, durationMs: 100 });
    expect(result.errors).toBe(0);
    expect(result.requests).toBeGreaterThan(0);
    expect([...texts]).toEqual(['w'.repeat(64)]);
    await untilDeserted(server);
  });

  it('counts tunnels that are refused', async () => {
    const { port } = await serve((_request, response) => response.writeHead(426).end());
    expect(await webSocketEcho(port, { connections: 3, durationMs: 10 })).toMatchObject({
      requests: 0,
      errors: 3,
    });
  });
});

describe('openIdle', () => {
  it('holds as many connections as were asked for until it is told to close them', async () => {
    const { server, port } = await serve((_request, response) => response.end('x'));
    server.keepAliveTimeout = 60_000;
    const idle = await openIdle(port, '/small', 150);
    expect(idle.open).toBe(150);
    idle.close();
    await untilDeserted(server);
  });

  it('says how many are left of a server that hangs up', async () => {
    const { port } = await serve((_request, response) => {
      response.shouldKeepAlive = false;
      response.end('x');
    });
    const idle = await openIdle(port, '/small', 20);
    await eventually(() => {
      expect(idle.open).toBe(0);
    });
    idle.close();
  });
});
