import { connect, type Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { RawClient } from '../kit/raw-client.ts';
import { ok } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Who gives way when there are too many client connections. */

const get = (path = '/'): string => message(`GET ${path}`, []);

describe.each(engineNames)('admission through the %s engine', (engine) => {
  const start = async (limits: SubjectOptions['limits'], options: SubjectOptions = {}) => {
    const origin = await startOrigin({
      request: ({ target }) => (target === '/hang' ? undefined : ok()),
    });
    return startEngine(engine, [origin.port], { ...options, limits: { keepAliveMs: 60_000, ...limits } });
  };
  /** A connection that has had its answer and keeps the connection. */
  const idle = async (port: number): Promise<RawClient> => {
    const client = await openClient(port);
    client.send(get());
    expect((await client.response()).status).toBe(200);
    return client;
  };
  /** Asks until it gets an answer: the others have to have waited for a moment first. */
  const getsIn = (port: number): Promise<void> =>
    eventually(async () => {
      const client = await openClient(port);
      client.send(get());
      await eventually(() => {
        expect(client.received() !== '' || client.state() !== 'open').toBe(true);
      });
      expect(client.received()).toContain('HTTP/1.1 200');
      client.destroy();
    });

  it('closes idle connections for new clients, the oldest first', async () => {
    const { port } = await start({ connections: 3 });
    const idlers = [await idle(port), await idle(port), await idle(port)];
    await getsIn(port);
    expect(await idlers[0]?.closed()).toBe('ended');
    expect(idlers[2]?.state()).toBe('open');
  });

  it('closes connections that never sent a request, or the beginning of one', async () => {
    const { port } = await start({ connections: 2, requestHeadMs: 60_000 });
    const [silent, slow] = [await openClient(port), await openClient(port)];
    slow.send('GET / HTTP/1.1\r\nHo');
    await getsIn(port);
    await getsIn(port);
    await eventually(() => {
      expect([silent.state(), slow.state()]).not.toContain('open');
    });
  });

  it('cuts no request, and refuses new clients when all have one', async () => {
    const { port, engine: running } = await start({ connections: 2 });
    const busy = [await openClient(port), await openClient(port)];
    for (const client of busy) client.send(get('/hang'));
    await eventually(() => {
      expect(running.stats().exchanges).toBe(2);
    });
    const late = await openClient(port);
    expect(['ended', 'reset']).toContain(await late.closed());
    expect(busy.map((client) => client.state())).toEqual(['open', 'open']);
  });

  it('keeps one address to its share, and serves another', async () => {
    const { port, engine: running } = await start({ connections: 100, connectionsPerAddress: 2 });
    const busy = [await openClient(port), await openClient(port)];
    for (const client of busy) client.send(get('/hang'));
    await eventually(() => {
      expect(running.stats().exchanges).toBe(2);
    });
    expect(['ended', 'reset']).toContain(await (await openClient(port)).closed());
    expect(await answerTo(port, '127.0.0.2')).toContain('HTTP/1.1 200');
  });

  it('has no share for a trusted proxy', async () => {
    const { port } = await start({ connections: 100, connectionsPerAddress: 1 }, { isExempt: () => true });
    for (let i = 0; i < 3; i += 1) await idle(port);
  });
});

/** What a client with this local address gets. Linux has all of 127.0.0.0/8. */
async function answerTo(port: number, localAddress: string): Promise<string> {
  const socket: Socket = connect({ port, host: '127.0.0.1', localAddress });
  onTestFinished(() => {
    socket.destroy();
  });
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.write(get());
  return eventually(() => {
    expect(text).toContain('\r\n\r\n');
    return text;
  });
}
