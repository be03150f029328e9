import { describe, expect, it } from 'vitest';

import { closeFrame, goingAway, serviceRestart } from '../../gateway/src/proxy/websocket-frames.ts';
import { eventually } from '../kit/eventually.ts';
import { type RawClient } from '../kit/raw-client.ts';
import { type OriginConnection, type RecordingOrigin } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** How WebSockets end when the gateway stops or their instance goes. Frames by hand (RFC 6455 §5.2). */

const upgrade = message('GET /ws', ['Connection: Upgrade', 'Upgrade: websocket']);
const agreed = 'HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Towards the client: come back. */
const restart = latin1(closeFrame(serviceRestart, undefined));
const hello = '\x81\x05hello';
/** The client's own Close, masked with zeros. */
const reply = latin1(closeFrame(serviceRestart, new Uint8Array(4)));
/** A Close of the client towards the instance, whatever its mask. */
const masked = /\x88\x82([^]{4})([^]{2})$/;

/** The code of a masked Close frame at the end of what an instance got. */
function codeOf(text: string): number | undefined {
  const [, mask = '', payload = ''] = masked.exec(text) ?? [];
  if (payload === '') return undefined;
  const [high = 0, low = 0] = [0, 1].map((i) => payload.charCodeAt(i) ^ mask.charCodeAt(i));
  return high * 256 + low;
}

describe.each(engineNames)('the %s engine', (engine) => {
  async function start(options?: SubjectOptions): Promise<{ origin: RecordingOrigin; subject: Subject }> {
    const origin = await startOrigin({ request: () => agreed });
    const subject = await startEngine(engine, [origin.port], options);
    return { origin, subject };
  }

  async function open(subject: Subject): Promise<RawClient> {
    const client = await openClient(subject.port);
    client.send(upgrade);
    expect((await client.response()).status).toBe(101);
    return client;
  }

  const got = (client: RawClient, text: string): Promise<void> =>
    eventually(() => {
      expect(client.rest()).toBe(text);
    });

  async function connectionOf(origin: RecordingOrigin): Promise<OriginConnection> {
    return eventually(() => {
      const [connection] = origin.connections;
      if (connection === undefined) throw new Error('no connection');
      return connection;
    });
  }

  it('stops with a Close on both sides, and ends when the client has answered it', async () => {
    const { origin, subject } = await start();
    const client = await open(subject);
    const connection = await connectionOf(origin);
    const stopped = subject.stop(3_000);
    await got(client, restart);
    await eventually(() => {
      expect(codeOf(connection.received())).toBe(goingAway);
    });
    connection.write(hello);
    client.send(reply);
    expect(await client.closed()).toBe('ended');
    expect(await stopped).toBe(0);
    expect(client.rest()).toBe(restart);
    expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
  });

  it('puts the Close behind the frame that is under way, and nothing behind it', async () => {
    const { origin, subject } = await start();
    const client = await open(subject);
    const connection = await connectionOf(origin);
    connection.write(hello.slice(0, 4));
    await got(client, hello.slice(0, 4));
    const stopped = subject.stop(2_000);
    await eventually(() => {
      expect(codeOf(connection.received())).toBe(goingAway);
    });
    expect(client.rest()).toBe(hello.slice(0, 4));
    connection.write(`${hello.slice(4)}\x81\x05wo`);
    await got(client, hello + restart);
    client.send(reply);
    expect(await client.closed()).toBe('ended');
    expect(await stopped).toBe(0);
  });

  it('closes WebSockets one after the other in the later half of the drain', async () => {
    const { subject } = await start();
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(subject)));
    const startedAt = performance.now();
    const times: number[] = [];
    for (const client of clients) {
      client.socket.once('data', () => {
        times.push(performance.now() - startedAt);
        client.send(reply);
      });
    }
    expect(await subject.stop(3_000)).toBe(0);
    expect(times).toHaveLength(clients.length);
    expect(Math.min(...times)).toBeGreaterThan(1_400);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(100);
  });

  it('cuts a WebSocket that never ends its frame at the drain deadline', async () => {
    const { origin, subject } = await start();
    const client = await open(subject);
    (await connectionOf(origin)).write(hello.slice(0, 4));
    await got(client, hello.slice(0, 4));
    expect(await subject.stop(200)).toBe(1);
    await client.closed();
    expect(client.rest()).toBe(hello.slice(0, 4));
    expect(subject.exchanges.log[0]?.end?.kind).toBe('shutdown');
  });

  const draining: SubjectOptions = {
    script: {
      begin: (_head, attempt) => {
        const step = attempt();
        return Object.assign(step, { endpoint: { ...step.endpoint, phase: 'draining' } });
      },
    },
  };

  it.each<['ends' | 'resets', (connection: OriginConnection) => void]>([
    [
      'ends',
      (connection) => {
        connection.end();
      },
    ],
    [
      'resets',
      (connection) => {
        connection.reset();
      },
    ],
  ])('tells the client to come back when an instance that drains %s it', async (_how, leave) => {
    const { origin, subject } = await start(draining);
    const client = await open(subject);
    const connection = await connectionOf(origin);
    connection.write(hello);
    await got(client, hello);
    leave(connection);
    await got(client, hello + restart);
    client.send(reply);
    expect(await client.closed()).toBe('ended');
    await eventually(() => {
      expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
    });
  });

  it('tells the client to come back when an instance that is not registered any more leaves', async () => {
    const { origin, subject } = await start();
    const client = await open(subject);
    subject.engine.closeIdleExcept(new Set());
    (await connectionOf(origin)).reset();
    await got(client, restart);
    // And waits no longer than a second for an answer to that.
    expect(await client.closed(1_500)).toBe('ended');
  });

  it('says nothing in the middle of a frame, nor after the Close of the instance', async () => {
    const { origin, subject } = await start(draining);
    const [inside, closed] = [await open(subject), await open(subject)];
    await eventually(() => {
      expect(origin.connections).toHaveLength(2);
    });
    const [first, second] = origin.connections;
    first?.write(hello.slice(0, 3));
    second?.write(restart);
    await got(inside, hello.slice(0, 3));
    await got(closed, restart);
    first?.reset();
    second?.end();
    expect(await inside.closed()).toBe('reset');
    closed.send(reply);
    await closed.closed();
    expect([inside.rest(), closed.rest()]).toEqual([hello.slice(0, 3), restart]);
  });
});
