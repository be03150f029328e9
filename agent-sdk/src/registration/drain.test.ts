import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';

import { type Clock, systemClock } from './clock.ts';
import { ConnectionDrain } from './drain.ts';

const nothing = (): Promise<void> => Promise.resolve();

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serve(handler: RequestListener, clock: Clock = systemClock) {
  const server = createServer(handler);
  const drain = new ConnectionDrain(server, clock);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, drain, port: portOf(server) };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function keepAliveAgent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  ends.push(() => {
    agent.destroy();
  });
  return agent;
}

function get(
  port: number,
  agent: Agent,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/** A raw connection and everything it has received. */
async function dial(port: number) {
  const socket = connect(port, '127.0.0.1');
  ends.push(() => {
    socket.destroy();
  });
  const state = { received: '', ended: 'open' as 'open' | 'closed' };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (state.received += chunk));
  socket.on('error', () => undefined);
  socket.on('close', () => (state.ended = 'closed'));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return { socket, state };
}

describe('drain', () => {
  it('still accepts once keep-alive is disabled, and says Connection: close on every answer', async () => {
    const { drain, port } = await serve((_request, response) => response.end('ok'));
    const agent = keepAliveAgent();
    expect((await get(port, agent)).headers.connection).toBe('keep-alive');
    drain.disableKeepAlive();
    const first = await get(port, agent);
    const second = await get(port, agent);
    expect([first.status, first.headers.connection]).toEqual([200, 'close']);
    expect([second.status, second.headers.connection]).toEqual([200, 'close']);
    expect(await drain.finish(5_000, nothing)).toBe(0);
  });

  it('finishes what is in flight, with Connection: close, before it is over', async () => {
    let answer: (() => void) | undefined;
    const { server, drain, port } = await serve((_request, response) => {
      answer = () => response.writeHead(200, ['Content-Type', 'text/plain']).end('late');
    });
    const pending = get(port, keepAliveAgent());
    await eventually(async () => {
      expect(await connections(server)).toBe(1);
    });
    await eventually(() => {
      expect(answer).toBeDefined();
    });
    const finished = drain.finish(5_000, nothing);
    await expect(dial(port).then(({ state }) => state.ended)).rejects.toThrow();
    answer?.();
    expect(await pending).toMatchObject({ status: 200, body: 'late', headers: { connection: 'close' } });
    expect(await finished).toBe(0);
  }, 5_000);

  it('answers a further request on a connection whose answer had begun as keep-alive', async () => {
    let finishBody: () => void = () => undefined;
    const { drain, port } = await serve((request_, response) => {
      if (request_.url === '/second') {
        response.end('second');
        return;
      }
      response.writeHead(200, { 'content-length': '5' });
      response.write('fir');
      finishBody = () => response.end('st');
    });
    const { socket, state } = await dial(port);
    socket.write('GET /first HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => {
      expect(state.received).toContain('fir');
    });
    const finished = drain.finish(5_000, nothing);
    socket.write('GET /second HTTP/1.1\r\nHost: x\r\n\r\n');
    finishBody();
    await eventually(() => {
      expect(state.ended).toBe('closed');
    });
    expect(state.received).toContain('first');
    expect(state.received).toMatch(/Connection: close[^]*second$/u);
    expect(await finished).toBe(0);
  });

  it('closes idle connections and those that never said anything', async () => {
    const { drain, port } = await serve((_request, response) => response.end('ok'));
    const silent = await dial(port);
    const idle = await dial(port);
    idle.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => {
      expect(idle.state.received).toContain('ok');
    });
    const startedMs = performance.now();
    expect(await drain.finish(5_000, nothing)).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    await eventually(() => {
      expect([silent.state.ended, idle.state.ended]).toEqual(['closed', 'closed']);
    });
  });

  it('cuts requests and upgraded connections at the deadline, after the framework was told to close', async () => {
    const { server, drain, port } = await serve(() => undefined);
    const upgraded: Socket[] = [];
    server.on('upgrade', (_request, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
      upgraded.push(socket);
    });
    const hung = get(port, keepAliveAgent()).catch((error: unknown) => error);
    const tunnel = await dial(port);
    tunnel.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await eventually(async () => {
      expect(tunnel.state.received).toContain('101');
      expect(await connections(server)).toBe(2);
    });
    const closeFramework = () => {
      upgraded[0]?.write('goodbye');
      return Promise.resolve();
    };
    expect(await drain.finish(50, closeFramework)).toBe(2);
    expect(await hung).toBeInstanceOf(Error);
    await eventually(() => {
      expect(tunnel.state.ended).toBe('closed');
    });
    expect(tunnel.state.received).toContain('goodbye');
  });

  it('cuts upgraded connections a few at a time over the last part of the time', async () => {
    const { server, drain, port } = await serve(() => undefined);
    server.on('upgrade', (_request, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    });
    const closedMs: number[] = [];
    for (let i = 0; i < 30; i += 1) {
      const tunnel = await dial(port);
      tunnel.socket.on('close', () => closedMs.push(performance.now() - startedMs));
      tunnel.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
      await eventually(() => {
        expect(tunnel.state.received).toContain('101');
      });
    }
    const startedMs = performance.now();
    expect(await drain.finish(2_000, nothing)).toBe(30);
    await eventually(() => {
      expect(closedMs).toHaveLength(30);
    });
    expect(closedMs[0]).toBeGreaterThan(1_300);
    // 600 ms in steps of 50 to 150 ms: four batches at least.
    const batches = closedMs.filter((atMs, i) => i === 0 || atMs - (closedMs[i - 1] ?? 0) > 25);
    expect(batches.length).toBeGreaterThanOrEqual(4);
  });

  it('answers a request that was on its way to a connection that looked idle', async () => {
    const { drain, port } = await serve((_request, response) => response.end('ok'));
    const { socket, state } = await dial(port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => {
      expect(state.received).toContain('ok');
    });
    const finished = drain.finish(5_000, nothing);
    socket.write('POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    await eventually(() => {
      expect(state.ended).toBe('closed');
    });
    expect(state.received).toMatch(/ok[^]*Connection: close[^]*ok$/u);
    expect(await finished).toBe(0);
  });

  it('finishes uploads whose expectation the application decides on itself', async () => {
    const { server, drain, port } = await serve(() => undefined);
    let phase: 'waiting' | 'seen' = 'waiting';
    server.on('checkContinue', (request_: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      phase = 'seen';
      request_.resume().on('end', () => response.end('taken'));
    });
    const { socket, state } = await dial(port);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nab');
    await eventually(() => {
      expect(phase).toBe('seen');
    });
    const finished = drain.finish(5_000, nothing);
    socket.write('cd');
    await eventually(() => {
      expect(state.ended).toBe('closed');
    });
    expect(state.received).toMatch(/^HTTP\/1.1 100 [^]*Connection: close[^]*taken$/u);
    expect(await finished).toBe(0);
  });

  it('tells the framework to close only when no further request can come on a kept connection', async () => {
    let finishBody: (() => void) | undefined;
    let rounds = 0;
    const counting: Clock = {
      ...systemClock,
      setTimer: (delayMs, callback) => {
        rounds += 1;
        return systemClock.setTimer(delayMs, callback);
      },
    };
    const answer: RequestListener = (_request, response) => {
      response.write('begun');
      finishBody = () => response.end();
    };
    const { drain, port } = await serve(answer, counting);
    const { socket, state } = await dial(port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => {
      expect(state.received).toContain('begun');
    });
    const order: string[] = [];
    const closeFramework = () => {
      order.push('close');
      return Promise.resolve();
    };
    const finished = drain.finish(5_000, closeFramework);
    const before = rounds;
    await eventually(() => {
      expect(rounds).toBeGreaterThan(before + 2);
    });
    order.push('answered');
    finishBody?.();
    expect(await finished).toBe(0);
    expect(order).toEqual(['answered', 'close']);
  });

  it('tells the framework to close within a second where answers are endless', async () => {
    let end: (() => void) | undefined;
    const { drain, port } = await serve((_request, response) => {
      response.write('data: 1\n\n');
      end = () => response.end();
    });
    const { socket, state } = await dial(port);
    socket.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => {
      expect(state.received).toContain('data: 1');
    });
    const startedMs = performance.now();
    const closeFramework = () => {
      end?.();
      return Promise.resolve();
    };
    expect(await drain.finish(8_000, closeFramework)).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });

  it('is over at once for a server that is closed already', async () => {
    const { server, drain } = await serve(() => undefined);
    server.close();
    expect(await drain.finish(5_000, nothing)).toBe(0);
  });
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
