import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok, type OriginScript } from '../kit/recording-origin.ts';
import { busyMachineMs, message, type Case } from './trial.ts';

const webSocket = [
  'Connection: keep-alive, Upgrade',
  'Upgrade: WebSocket',
  'Sec-WebSocket-Key: k',
  'Sec-WebSocket-Version: 13',
];
const upgrade = message('GET /ws', webSocket);
const agreed =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\nX-A: \xe9\r\n\r\n';

/** Agrees, and then gives every byte back. */
const echo: OriginScript = {
  request: (_request, connection) => {
    connection.write(agreed);
    connection.socket.on('data', (text: string) => {
      connection.write(`<${text}>`);
    });
    return undefined;
  },
};

const cases: readonly Case[] = [
  {
    id: 'R27',
    fact: 'an upgrade from an HTTP/1.0 client is ignored',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send('GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      expect((await sender.response()).status).toBe(200);
      expect(valuesOf(origin.requests()[0]!, 'upgrade')).toEqual([]);
    },
  },
  {
    id: 'R28',
    fact: 'an upgrade to h2c is left out; the request goes on without, with its body',
    run: async ({ client, origin }) => {
      const offer = [
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      ];
      for (const request of [
        message('GET /', offer),
        message('POST /', [...offer, 'Content-Length: 5'], 'hello'),
        message('POST /', [...offer, 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
      ]) {
        const sender = await client();
        sender.send(request);
        expect((await sender.response()).status).toBe(200);
      }
      const forwarded = origin.requests();
      expect(forwarded.map(({ body }) => body)).toEqual(['', 'hello', 'hello']);
      for (const name of ['upgrade', 'http2-settings'])
        expect(forwarded.flatMap((request) => valuesOf(request, name))).toEqual([]);
    },
  },
  {
    id: 'R29',
    fact: 'an upgrade with a body is refused with 400, and nothing is forwarded',
    run: async ({ client, origin }) => {
      for (const [framing, body] of [
        ['Content-Length: 5', 'hello'],
        ['Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
      ] as const) {
        const sender = await client();
        sender.send(message('GET /ws', [...webSocket, framing], body));
        expect((await sender.response()).status).toBe(400);
        await sender.closed();
      }
      expect(origin.connections).toHaveLength(0);
    },
  },
  {
    id: 'R29d',
    fact: 'an upgrade with a length of 0 has no body: it is carried out',
    script: echo,
    run: async ({ client }) => {
      const sender = await client();
      sender.send(message('GET /ws', [...webSocket, 'Content-Length: 0']));
      expect((await sender.response()).status).toBe(101);
      sender.send('ping');
      await eventually(() => {
        expect(sender.rest()).toBe('<ping>');
      });
    },
  },
  {
    id: 'R29b',
    fact: 'bytes that a client sends before the 101 are held until the instance has agreed',
    script: {},
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(`${upgrade}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n`);
      const requests = await eventually(() => {
        expect(origin.requests()).toHaveLength(1);
        return origin.requests();
      });
      expect(requests[0]?.target).toBe('/ws');
      expect(origin.connections[0]?.rest()).toBe('');
      sender.send('more');
      origin.connections[0]?.write(agreed);
      expect((await sender.response()).status).toBe(101);
      await eventually(() => {
        expect(
          origin.connections[0]?.received().endsWith('GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\nmore'),
        ).toBe(true);
      });
    },
  },
  {
    id: 'R29c',
    fact: 'bytes that a client sends ahead of a refused upgrade reach no instance',
    script: { request: (_request, _connection, index) => (index === 0 ? ok('no') : undefined) },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(`${upgrade}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n`);
      const response = await sender.response();
      expect(response.body).toBe('no');
      await sender.closed();
      expect(origin.connections[0]?.rest()).toBe('');
      expect(origin.requests()).toHaveLength(1);
    },
  },
  {
    id: 'R30',
    fact: 'an answer other than 101 is passed on like any other, and both connections are let go',
    script: {
      request: () =>
        'HTTP/1.1 426 Use 13\r\nSec-WebSocket-Version: 13\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    },
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(upgrade);
      const response = await sender.response();
      expect([response.status, response.reason, response.body]).toEqual([426, 'Use 13', 'hello']);
      sender.destroy();
      await eventually(() => {
        expect(subject.engine.stats()).toMatchObject({ clientConnections: 0, exchanges: 0 });
      });
      expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
    },
  },
  {
    id: 'R30b',
    fact: 'a large answer other than 101 comes through whole',
    script: { request: () => ok('x'.repeat(4_000_000)) },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(upgrade);
      expect((await sender.response()).body).toHaveLength(4_000_000);
    },
  },
  {
    id: 'R31',
    fact: 'a 101 without a request for an upgrade becomes a 502, and its connection is closed',
    script: { request: () => agreed },
    run: async ({ exchange, origin, subject }) => {
      expect((await exchange(message('GET /'))).status).toBe(502);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(subject.exchanges.log[0]?.failures[0]?.code).toBe('upgrade_failed');
    },
  },
  {
    id: 'R31b',
    fact: 'a 101 to another protocol, or to none, becomes a 502',
    script: {
      request: ({ target }) =>
        target === '/other'
          ? 'HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'
          : 'HTTP/1.1 101 Ok\r\n\r\n',
    },
    run: async ({ client, origin }) => {
      for (const target of ['/other', '/none']) {
        const sender = await client();
        sender.send(message(`GET ${target}`, webSocket));
        expect((await sender.response()).status).toBe(502);
      }
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    },
  },
  {
    id: 'W1',
    fact: 'after an agreed upgrade bytes pass both ways, and the 101 is whole',
    script: echo,
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(upgrade);
      const response = await sender.response();
      expect(response.status).toBe(101);
      expect(response.fields).toEqual([
        ['Sec-WebSocket-Accept', 'a'],
        ['X-A', '\xe9'],
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
      ]);
      const [forwarded] = origin.requests();
      expect(valuesOf(forwarded!, 'connection')).toEqual(['Upgrade']);
      expect(valuesOf(forwarded!, 'upgrade')).toEqual(['websocket']);
      sender.send('ping');
      await eventually(() => {
        expect(sender.rest()).toBe('<ping>');
      });
      expect(subject.engine.stats().exchanges).toBe(1);
      sender.end();
      expect(await sender.closed()).toBe('ended');
      await eventually(() => {
        expect(subject.exchanges.log[0]?.end).toEqual({
          kind: 'complete',
          requestBytes: 4,
          responseBytes: 6,
        });
      });
    },
  },
  {
    id: 'W2',
    fact: 'bytes that come with the 101 reach the client behind it',
    script: { request: () => `${agreed}first` },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(upgrade);
      expect((await sender.response()).status).toBe(101);
      await eventually(() => {
        expect(sender.rest()).toBe('first');
      });
    },
  },
  {
    id: 'W3',
    fact: 'the end of one direction is passed on, and the other direction goes on',
    script: {
      request: (_request, connection) => {
        connection.write(agreed);
        // Ends its own direction first.
        setTimeout(() => {
          connection.end('bye');
        }, 20);
        return undefined;
      },
    },
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(upgrade);
      await sender.response();
      expect(await sender.closed()).toBe('ended');
      expect(sender.rest()).toBe('bye');
      sender.send('late');
      await eventually(() => {
        expect(origin.connections[0]?.received().endsWith('late')).toBe(true);
      });
      sender.end();
      await eventually(() => {
        expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
      });
    },
  },
  {
    id: 'W4',
    fact: 'a tunnel in which nothing moves is closed after the idle time',
    options: { timeouts: { idleMs: 150 } },
    script: echo,
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(upgrade);
      expect((await sender.response()).status).toBe(101);
      await sender.closed();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    },
  },
  {
    id: 'W5',
    fact: 'a broken tunnel is broken on the other side too',
    script: echo,
    run: async ({ client, origin, subject }) => {
      const leaving = await client();
      leaving.send(upgrade);
      await leaving.response();
      leaving.reset();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      const staying = await client();
      staying.send(upgrade);
      await staying.response();
      origin.connections.at(-1)?.reset();
      expect(await staying.closed()).toBe('reset');
      await eventually(() => {
        expect(subject.exchanges.log.map(({ end }) => end?.kind)).toEqual([
          'client_closed',
          'response_incomplete',
        ]);
      });
    },
  },
  {
    id: 'W6',
    fact: 'a client that leaves before the 101 ends the upstream request within 100 ms',
    script: {},
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(upgrade);
      await eventually(() => {
        expect(origin.requests()).toHaveLength(1);
      });
      const leftAt = performance.now();
      sender.destroy();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(performance.now() - leftAt).toBeLessThan(busyMachineMs);
    },
  },
  {
    id: 'W7',
    fact: 'an upgrade behind another request on the connection is not lost',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(message('GET /1') + upgrade);
      expect((await sender.response()).status).toBe(200);
      expect((await sender.response()).status).toBe(200);
      expect(origin.requests().map(({ target }) => target)).toEqual(['/1', '/ws']);
    },
  },
];

/** Statements about connections that switch protocols. */
export function upgradeCases(): readonly Case[] {
  return cases;
}
