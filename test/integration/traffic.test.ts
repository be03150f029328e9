import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startTestGateway, type TestConfig, type TestGateway } from '../kit/start-gateway.ts';

interface Origin {
  readonly port: number;
  readonly server: http.Server;
  connections(): Promise<number>;
}

async function origin(handler: http.RequestListener): Promise<Origin> {
  const server = http.createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as AddressInfo).port,
    server,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, n) => {
          if (error === null) resolve(n);
          else reject(error);
        }),
      ),
  };
}

async function gatewayWith(config: TestConfig): Promise<TestGateway> {
  const gateway = await startTestGateway(config);
  onTestFinished(async () => {
    await gateway[Symbol.asyncDispose]();
  });
  return gateway;
}

const upOn = (gateway: TestGateway, path: string) =>
  eventually(async () => {
    const { status } = await get(gateway.url + path);
    expect(status).toBeLessThan(500);
  });

describe.each(['http-proxy', 'wire'] as const)('traffic through the gateway with the %s engine', (engine) => {
  it('passes a WebSocket conversation both ways and counts it until it ends', async () => {
    const { server, port } = await origin((_, response) => response.end('ok'));
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) =>
      socket.on('message', (data: Buffer) => {
        socket.send(`echo ${data.toString()}`);
      }),
    );
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/api/ws`);
    const answer = new Promise<string>((resolve) => {
      socket.on('message', (data: Buffer) => {
        resolve(data.toString());
      });
    });
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send('hello');
    expect(await answer).toBe('echo hello');
    const inFlight = async () => {
      const { body } = await get(`${gateway.adminUrl}/api/services/api-service`);
      return (JSON.parse(body) as { instances: { inFlight: number }[] }).instances[0]?.inFlight;
    };
    expect(await inFlight()).toBe(1);
    socket.close();
    await eventually(async () => {
      expect(await inFlight()).toBe(0);
    });
    expect(gateway.log()).toMatch(/"path":"\/api\/ws".*"status":101/);
  });

  it('passes server-sent events as they come, and ends them at the origin when the client leaves', async () => {
    let left = false;
    const { port } = await origin((request, response) => {
      if (request.url !== '/api/events') return void response.end('ok');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
      response.on('close', () => {
        left = true;
      });
    });
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(`${gateway.url}/api/events`, resolve).on('error', reject);
    });
    const first = await new Promise<string>((resolve) =>
      response.once('data', (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    expect(first).toBe('data: one\n\n');
    const leftAt = performance.now();
    response.socket.resetAndDestroy();
    await eventually(() => {
      expect(left).toBe(true);
    });
    // The promise is 100 ms; ten times that allows for a busy machine and still tells a leak from a delay.
    expect(performance.now() - leftAt).toBeLessThan(1_000);
    await eventually(() => {
      expect(gateway.log()).toContain('"end":"client_closed"');
    });
  });

  it('shows the client that an answer was cut, and counts it against the instance', async () => {
    const { port } = await origin((request, response) => {
      if (request.url !== '/api/cut') return void response.end('ok');
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half', () => request.socket.destroy());
    });
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    await expect(get(`${gateway.url}/api/cut`)).rejects.toThrow();
    await eventually(() => {
      expect(gateway.log()).toMatch(/"path":"\/api\/cut".*"error":"response_incomplete"/);
    });
  });

  it('tries a refused POST on another instance, ejects the dead one, and says so in the log', async () => {
    const { port } = await origin((request, response) => {
      let body = '';
      request.on('data', (text: Buffer) => (body += text.toString()));
      request.on('end', () => response.end(`got ${body}`));
    });
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'alive', port);
    await upOn(gateway, '/api');
    const dead = await origin(() => undefined);
    await new Promise((resolve) => dead.server.close(resolve));
    await gateway.register('api-service', 'dead', dead.port);
    await eventually(() => {
      expect(gateway.log()).toMatch(/\+ api-service dead/);
    });
    const bodies = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        fetch(`${gateway.url}/api/x`, { method: 'POST', body: String(i) }).then((answer) => answer.text()),
      ),
    );
    expect(bodies.sort()).toEqual(Array.from({ length: 8 }, (_, i) => `got ${i}`));
    expect(gateway.log()).toMatch(
      /"attempts":\[\{"instance":"dead",[^}]*"error":"connect_refused"[^}]*\},\{"instance":"alive",[^}]*"status":200/,
    );
    const { body } = await get(`${gateway.adminUrl}/api/services`, undefined, { accept: 'text/plain' });
    expect(body).toMatch(/dead .*ejected/);
  });

  it('is back at its baseline of sockets after 1,000 clients have left in every phase', async () => {
    const held: http.ServerResponse[] = [];
    const { port, connections } = await origin((request, response) => {
      if (request.url === '/api') return void response.end('ok');
      held.push(response);
      if (request.url === '/api/drip') response.write('x'.repeat(1000));
    });
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          leave(`${gateway.url}/api/${i % 2 === 0 ? 'hang' : 'drip'}`, i % 3),
        ),
      );
    }
    // Nothing tells that a client has closed its connection but what is written to it.
    for (const response of held) response.end('late');
    const summary = async () =>
      JSON.parse((await get(`${gateway.adminUrl}/api/summary`)).body) as {
        clientConnections: number;
        exchanges: number;
      };
    await eventually(async () => {
      expect(await summary()).toMatchObject({ clientConnections: 0, exchanges: 0 });
      // What is left are idle connections of the pool; none of them belongs to a client that has gone.
      expect(await connections()).toBeLessThanOrEqual(2);
    }, 15_000);
    expect((await get(`${gateway.url}/api`)).status).toBe(200);
  });

  it('finishes what is in flight at stop, tells clients to leave, and refuses nothing before', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { port } = await origin((request, response) => {
      if (request.url !== '/api/slow') return void response.end('ok');
      void held.then(() => response.end('done'));
    });
    const gateway = await gatewayWith({ engine, drain: { noticeMs: 200, timeoutMs: 10_000 } });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    const slow = fetch(`${gateway.url}/api/slow`);
    await eventually(async () => {
      const { body } = await get(`${gateway.adminUrl}/api/summary`);
      expect(JSON.parse(body)).toMatchObject({ exchanges: 1 });
    });
    const stopping = gateway.gateway.stop();
    await eventually(async () => {
      expect((await get(`${gateway.adminUrl}/readyz`)).status).toBe(503);
    });
    const during = await fetch(`${gateway.url}/api`);
    expect(during.status).toBe(200);
    expect(during.headers.get('connection')).toBe('close');
    await eventually(async () => {
      await expect(get(`${gateway.url}/api`)).rejects.toThrow();
    });
    release();
    expect(await (await slow).text()).toBe('done');
    await stopping;
  });

  it('keeps serving through every trouble of the registry', async () => {
    const { port } = await origin((_, response) => response.end('ok'));
    const gateway = await gatewayWith({ engine });
    await gateway.register('api-service', 'a', port);
    await upOn(gateway, '/api');
    const troubles = [
      { kind: 'answer', status: 500, body: 'No cluster leader' },
      { kind: 'answer', status: 403, body: 'Permission denied' },
      { kind: 'answer', status: 200, body: '<html>login</html>' },
      { kind: 'truncate' },
      { kind: 'drop', when: 'middle' },
    ] as const;
    for (const trouble of troubles) {
      gateway.consul.faults.set({}, trouble);
      gateway.consul.dropConnections();
      await eventually(async () => {
        const { body } = await get(`${gateway.adminUrl}/api/services/api-service`);
        expect(JSON.parse(body), JSON.stringify(trouble)).toMatchObject({ registry: 'stale' });
      });
      for (let i = 0; i < 10; i += 1) expect((await get(`${gateway.url}/api`)).status).toBe(200);
      expect((await get(`${gateway.adminUrl}/readyz`)).status).toBe(200);
      gateway.consul.faults.clear();
      await eventually(async () => {
        const { body } = await get(`${gateway.adminUrl}/api/services/api-service`);
        expect(JSON.parse(body)).toMatchObject({ registry: 'live' });
      }, 20_000);
    }
    gateway.consul.reset();
    for (let i = 0; i < 10; i += 1) expect((await get(`${gateway.url}/api`)).status).toBe(200);
  });
});

/** Starts a request and leaves: at once, when the head is out, or at the first byte of the answer. */
function leave(url: string, phase: number): Promise<void> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false });
    const go = (): void => {
      request.destroy();
    };
    request.on('error', () => undefined);
    request.on('close', resolve);
    if (phase === 0) {
      request.on('socket', (socket) => socket.once('connect', go));
    } else if (phase === 1) {
      request.once('finish', () => setImmediate(go));
    } else {
      request.on('response', (response) => response.once('data', go));
      setTimeout(go, 200);
    }
  });
}
