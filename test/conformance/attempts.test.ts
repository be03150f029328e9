import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { openRawClient, rawExchange } from '../kit/raw-client.ts';
import { ok } from '../kit/recording-origin.ts';
import { startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Attempts that fail, and what an exchange may still do after them. */

/** A port that refuses connections. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A port that takes no connection and refuses none: its queue is full and its process stopped. */
async function blackHole(): Promise<number> {
  const program = `const s = require('net').createServer(); s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.send(s.address().port));`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const [port] = (await once(child, 'message')) as [number];
  child.kill('SIGSTOP');
  const fillers: Socket[] = [];
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy();
  });
  await eventually(() => {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => undefined);
    fillers.push(filler);
    const waiting = fillers.filter((socket) => socket.connecting).length;
    expect(waiting).toBeGreaterThan(5);
    expect(fillers.length).toBeGreaterThan(waiting);
  });
  return port;
}

const upload = message('POST /', ['Content-Length: 5'], 'hello');

describe.each(engineNames)('the %s engine', (engine) => {
  const start = (ports: readonly number[], options?: SubjectOptions): Promise<Subject> =>
    startEngine(engine, ports, options);

  it('answers 502 where the connection is refused, with nothing sent', async () => {
    const { port, exchanges } = await start([await deadPort()]);
    expect((await rawExchange(port, upload)).status).toBe(502);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'connect_refused', sent: 'nothing', connection: 'fresh' },
    ]);
  });

  it('has the whole body left for another instance after a refused connection, whatever the method', async () => {
    const origin = await startOrigin();
    const { port } = await start([await deadPort(), await deadPort(), origin.port]);
    for (const request of [
      upload,
      message('POST /', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    ])
      expect((await rawExchange(port, request)).status).toBe(200);
    expect(origin.requests().map(({ body }) => body)).toEqual(['hello', 'hello']);
  });

  it('answers 504 where no connection comes about in time, with nothing sent', async () => {
    const { port, exchanges } = await start([await blackHole()], { timeouts: { connectMs: 150 } });
    const startedAt = performance.now();
    expect((await rawExchange(port, upload)).status).toBe(504);
    expect(performance.now() - startedAt).toBeLessThan(600);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'connect_timeout', sent: 'nothing', connection: 'fresh' },
    ]);
  });

  it('goes to another instance when one takes no connection', async () => {
    const origin = await startOrigin();
    const { port } = await start([await blackHole(), origin.port], { timeouts: { connectMs: 150 } });
    expect((await rawExchange(port, upload)).status).toBe(200);
    expect(origin.requests().map(({ body }) => body)).toEqual(['hello']);
  });

  it('tells a name that does not resolve from a refused connection', async () => {
    const { port, exchanges, endpoints } = await start([1], {
      timeouts: { connectMs: 5_000 },
      script: {
        begin: (_head, attempt) => {
          const [endpoint] = endpoints;
          const instance = { ...endpoint!.instance, address: 'no-such-host.invalid' };
          return attempt({ endpoint: { ...endpoint!, instance } });
        },
      },
    });
    expect((await rawExchange(port, message('GET /'))).status).toBe(502);
    expect(exchanges.log[0]?.failures[0]).toEqual({
      code: 'connect_failed',
      sent: 'nothing',
      connection: 'fresh',
    });
  });

  it('repeats an idempotent request on a fresh connection when a reused one is reset', async () => {
    const origin = await startOrigin({
      request: (_request, connection, index) => {
        if (index === 0) return ok();
        connection.reset();
        return undefined;
      },
    });
    const { port, exchanges } = await start([origin.port]);
    expect((await rawExchange(port, message('GET /1'))).status).toBe(200);
    expect((await rawExchange(port, message('GET /2'))).status).toBe(200);
    expect(exchanges.log[1]?.failures).toEqual([
      { code: 'upstream_reset', sent: 'head', connection: 'reused' },
    ]);
    expect(origin.connections).toHaveLength(2);
  });

  it('opens a fresh connection when asked to, and closes the idle ones', async () => {
    const origin = await startOrigin();
    let connection: 'any' | 'fresh' = 'any';
    const subject = await start([origin.port], {
      script: { begin: (_head, attempt) => attempt({ connection }) },
    });
    await rawExchange(subject.port, message('GET /'));
    connection = 'fresh';
    await rawExchange(subject.port, message('GET /'));
    expect(origin.connections).toHaveLength(2);
    await eventually(() => {
      expect(origin.open()).toBe(1);
    });
  });

  it('does not use a connection that the instance has closed while it idled', async () => {
    const origin = await startOrigin();
    const { port, exchanges } = await start([origin.port]);
    for (let i = 0; i < 5; i += 1) {
      expect((await rawExchange(port, upload)).status).toBe(200);
      origin.connections.at(-1)?.end();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    }
    expect(exchanges.log.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it('keeps an idle connection no longer than the pool time', async () => {
    const origin = await startOrigin();
    const { port } = await start([origin.port], { poolIdleMs: 100 });
    await rawExchange(port, message('GET /'));
    expect(origin.open()).toBe(1);
    await eventually(() => {
      expect(origin.open()).toBe(0);
    }, 1_000);
  });

  it('keeps no connection whose instance says that it will close it within a second', async () => {
    const origin = await startOrigin({
      request: () => ok('ok', 'Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n'),
    });
    const { port } = await start([origin.port]);
    await rawExchange(port, message('GET /'));
    await eventually(() => {
      expect(origin.open()).toBe(0);
    }, 1_000);
  });

  it('retries an upload whose connection broke before any of it was taken', async () => {
    const origin = await startOrigin({
      data: (connection) => {
        if (origin.connections.length === 1) connection.reset();
        else if (connection.received().endsWith('hello')) connection.write(ok());
      },
    });
    const { port, exchanges } = await start([origin.port, origin.port]);
    const sender = await openRawClient(port);
    onTestFinished(() => {
      sender.destroy();
    });
    sender.send(message('PUT /', ['Expect: 100-continue', 'Content-Length: 5']));
    await eventually(() => {
      expect(exchanges.log[0]?.failures).toEqual([
        { code: 'upstream_reset', sent: 'head', connection: 'fresh' },
      ]);
    });
    sender.send('hello');
    expect((await sender.response()).status).toBe(200);
  });

  it('retries a PUT whose body is empty', async () => {
    const origin = await startOrigin({
      request: (_request, connection) => {
        if (origin.connections.length > 1) return ok();
        connection.reset();
        return undefined;
      },
    });
    const { port } = await start([origin.port, origin.port]);
    expect((await rawExchange(port, message('PUT /', ['Content-Length: 0']))).status).toBe(200);
    expect(origin.connections).toHaveLength(2);
  });
});
