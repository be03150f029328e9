import { identityAnswer } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import type { WaitTicket } from '../../gateway/src/exchange/seam.ts';
import { eventually } from '../kit/eventually.ts';
import { openRawClient } from '../kit/raw-client.ts';
import { ok, startRecordingOrigin } from '../kit/recording-origin.ts';
import { engineNames, startSubject, usualTimeouts, type Subject } from './subject.ts';
import { message } from './trial.ts';

const rounds = 1_000;
const atOnce = 20;

/** How an exchange of the test goes wrong: by the path of its request. */
const breaks = [
  '/client-before-answer',
  '/client-mid-answer',
  '/client-mid-upload',
  '/client-mid-upgrade',
  '/instance-before-answer',
  '/instance-mid-answer',
  '/instance-mid-head',
  '/instance-mid-tunnel',
] as const;

const requests: Readonly<Partial<Record<(typeof breaks)[number], string>>> = {
  '/client-mid-upload': message('POST /client-mid-upload', ['Content-Length: 10'], 'hello'),
  '/client-mid-upgrade': message('GET /client-mid-upgrade', ['Connection: upgrade', 'Upgrade: websocket']),
  '/instance-mid-tunnel': message('GET /instance-mid-tunnel', ['Connection: upgrade', 'Upgrade: websocket']),
};

/** Sockets, timers and other handles that keep this process alive. */
function handles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => name.startsWith('TCP') || name === 'Timeout')
    .sort();
}

/** Those that there were not before. */
function left(before: readonly string[]): readonly string[] {
  const now = handles();
  for (const handle of before) {
    const index = now.indexOf(handle);
    if (index !== -1) now.splice(index, 1);
  }
  return now;
}

describe.each(engineNames)('the %s engine', (engine) => {
  it('has all sockets, timers and exchanges back at the baseline after 1,000 broken exchanges', async () => {
    const before = handles();
    const origin = await startRecordingOrigin({
      data: (connection) => {
        const path = /^\w+ (\/[\w-]+)/.exec(connection.received().slice(0, 60))?.[1];
        if (path === '/instance-before-answer') {
          connection.reset();
        } else if (path === '/instance-mid-head') {
          connection.end('HTTP/1.1 200 OK\r\nX-A');
        } else if (path === '/instance-mid-answer') {
          connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
          setImmediate(() => {
            connection.reset();
          });
        } else if (path === '/instance-mid-tunnel') {
          connection.write('HTTP/1.1 101 Ok\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
          setImmediate(() => {
            connection.reset();
          });
        } else if (path === '/client-mid-answer') {
          connection.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
        } else if (path === '/ok') {
          connection.write(ok());
        }
      },
    });
    const subject = await startSubject(engine, [origin.port]);

    const breakOne = async (index: number): Promise<void> => {
      const path = breaks[index % breaks.length] ?? breaks[0];
      const client = await openRawClient(subject.port);
      client.send((requests[path] ?? message(`GET ${path}`)).replace(path, `${path}?${index}`));
      if (path.startsWith('/client')) {
        if (path === '/client-mid-answer') {
          await eventually(() => {
            expect(client.received()).toContain('hello');
          });
        } else {
          await eventually(() => {
            expect(
              origin.connections.some((connection) => connection.received().includes(`${path}?${index} `)),
            ).toBe(true);
          });
        }
        if (index % 2 === 0) client.destroy();
        else client.reset();
      } else {
        await eventually(() => {
          expect(client.state() !== 'open' || client.received() !== '').toBe(true);
        });
        client.destroy();
      }
    };
    for (let index = 0; index < rounds; index += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, offset) => breakOne(index + offset)));
    await eventually(() => {
      expect(subject.engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
      expect(origin.open()).toBe(0);
    });
    // A client that leaves before its head has been read is no exchange.
    expect(subject.exchanges.log.length).toBeGreaterThan(rounds * 0.8);
    expect(subject.exchanges.log.filter(({ end }) => end === undefined)).toEqual([]);
    expect(subject.faults).toEqual([]);

    await subject.stop();
    await origin.close();
    await eventually(() => {
      expect(left(before)).toEqual([]);
    });
  });

  it('has all of them back after 1,000 exchanges that waited, hedged, timed out or met a stranger', async () => {
    const before = handles();
    const silent = await startRecordingOrigin({});
    const sound = await startRecordingOrigin();
    const stranger = await startRecordingOrigin({ request: () => identityAnswer('somebody-else') });
    const tickets = new Set<WaitTicket>();
    const subject: Subject = await startSubject(engine, [silent.port, sound.port, stranger.port], {
      poolIdleMs: 100,
      script: {
        begin: ({ target }, attempt) => {
          if (target.startsWith('/queued')) {
            const ticket: WaitTicket = { ready: () => undefined };
            tickets.add(ticket);
            return { kind: 'wait', timeoutMs: 60_000, ticket };
          }
          if (target.startsWith('/pause')) return { kind: 'wait', timeoutMs: 1, ticket: undefined };
          if (target.startsWith('/hedged')) return attempt({ hedgeAfterMs: 1 });
          if (target.startsWith('/try')) return attempt({ timeouts: { ...usualTimeouts, tryMs: 20 } });
          if (target.startsWith('/total')) return attempt({ timeouts: { ...usualTimeouts, totalMs: 20 } });
          return attempt({ endpoint: subject.endpoints[2]!, identity: 'an-instance' });
        },
        waited: (_how, attempt) => attempt({ endpoint: subject.endpoints[1]! }),
      },
    });
    const kinds = ['/queued', '/pause', '/hedged', '/try', '/total', '/stranger'];
    const one = async (index: number): Promise<void> => {
      const kind = kinds[index % kinds.length] ?? '';
      const client = await openRawClient(subject.port);
      client.send(message(`PUT ${kind}`, ['Content-Length: 5'], 'hello'));
      // A fifth of them leave in the middle, whatever it is.
      if (index % 5 !== 0 && kind !== '/queued') {
        await eventually(() => {
          expect(client.received()).toMatch(/^HTTP\/1\.1 (?:200|50[24]) /);
        });
      }
      client.destroy();
      // Some are called when they have left, some while they leave.
      for (const ticket of tickets) if (index % 2 === 0) ticket.ready();
    };
    for (let index = 0; index < rounds; index += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, offset) => one(index + offset)));
    await eventually(() => {
      expect(subject.engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
      expect([silent.open(), sound.open(), stranger.open()]).toEqual([0, 0, 0]);
    });
    expect(subject.exchanges.log.length).toBeGreaterThan(rounds * 0.6);
    expect(subject.exchanges.log.filter(({ end }) => end === undefined)).toEqual([]);
    expect(subject.faults).toEqual([]);

    await subject.stop();
    await Promise.all([silent.close(), sound.close(), stranger.close()]);
    await eventually(() => {
      expect(left(before)).toEqual([]);
    });
  });
});
