import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok } from '../kit/recording-origin.ts';
import { busyMachineMs, chunk, message, type Case } from './trial.ts';

const expecting = message('POST /', ['Expect: 100-continue', 'Content-Length: 5', 'X-A: \xe9']);

/** More than all buffers on the way can hold. */
const flood = Buffer.alloc(1024 * 1024, 'x');
const floods = 64;

/** The bytes that the kernel and the engine may hold of a message that is not read. */
const heldBytes = 24 * 1024 * 1024;

const cases: readonly Case[] = [
  {
    id: 'R08',
    fact: 'Expect: 100-continue reaches the instance, and the client gets the 100 when the instance gives it',
    script: {
      data: (connection) => {
        if (connection.received().endsWith('hello')) connection.write(ok('got it'));
      },
    },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(expecting);
      await eventually(() => {
        expect(origin.connections[0]?.received()).toContain('Expect: 100-continue\r\nX-A: \xe9\r\n');
        expect(origin.connections[0]?.received()).toContain('\r\n\r\n');
      });
      expect(sender.received()).toBe('');
      origin.connections[0]?.write('HTTP/1.1 100 Continue\r\n\r\n');
      expect((await sender.response()).status).toBe(100);
      sender.send('hello');
      const response = await sender.response();
      expect(response.body).toBe('got it');
      expect(valuesOf(response, 'connection')).not.toContain('close');
      expect(origin.requests()[0]?.body).toBe('hello');
    },
  },
  {
    id: 'R08b',
    fact: 'a final answer instead of the 100 reaches the client, which keeps its body',
    script: {
      data: (connection) => {
        connection.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n');
      },
    },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(expecting);
      const response = await sender.response();
      expect(response.status).toBe(401);
      expect(valuesOf(response, 'connection')).toEqual(['close']);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    },
  },
  {
    id: 'R08c',
    fact: 'a client that does not wait for its 100 is not held up',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(`${expecting}hello`);
      expect((await sender.response()).status).toBe(200);
      expect(origin.requests()[0]?.body).toBe('hello');
    },
  },
  {
    id: 'R13',
    fact: 'a body is forwarded as it comes, its head before it',
    script: {},
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(message('POST /', ['Transfer-Encoding: chunked']));
      await eventually(() => {
        expect(origin.connections[0]?.received()).toContain('\r\n\r\n');
      });
      for (const part of ['one', 'two']) {
        sender.send(chunk(part));
        await eventually(() => {
          expect(origin.connections[0]?.received().endsWith(chunk(part))).toBe(true);
        });
      }
      sender.send('0\r\n\r\n');
      await eventually(() => {
        expect(origin.requests()[0]?.body).toBe('onetwo');
      });
      origin.connections[0]?.write(ok());
      expect((await sender.response()).status).toBe(200);
    },
  },
  {
    id: 'R34b',
    fact: 'an answer that streams while the upload streams (echo) is complete',
    script: {
      data: (connection) => {
        const received = connection.received();
        if (received.endsWith(chunk('one')))
          connection.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('one')}`);
        else if (received.endsWith(chunk('two'))) connection.write(chunk('two'));
        else if (received.endsWith('0\r\n\r\n')) connection.write('0\r\n\r\n');
      },
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(message('POST /', ['Transfer-Encoding: chunked'], chunk('one')));
      await eventually(() => {
        expect(sender.received()).toContain(chunk('one'));
      });
      sender.send(chunk('two'));
      await eventually(() => {
        expect(sender.received()).toContain(chunk('two'));
      });
      sender.send('0\r\n\r\n');
      expect((await sender.response()).body).toBe('onetwo');
    },
  },
  {
    id: 'R35b',
    fact: 'a short body that is not read does not cost the connection',
    options: {
      script: {
        begin: ({ target }) =>
          target === '/nowhere'
            ? { kind: 'answer', status: 404, fields: [], body: 'no', connection: 'keep' }
            : undefined,
      },
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(message('POST /nowhere', ['Content-Length: 5'], 'he'));
      expect((await sender.response()).status).toBe(404);
      sender.send(`llo${message('GET /')}`);
      expect((await sender.response()).status).toBe(200);
    },
  },
  {
    id: 'R40',
    fact: 'a client that ends its direction behind its request gets all of its answer, and nothing that it did not ask for',
    script: { request: ({ target }) => (target === '/other' ? ok() : undefined) },
    run: async ({ client, exchange, origin, subject }) => {
      const sender = await client();
      sender.send(message('GET /half'));
      sender.end();
      await eventually(() => {
        expect(origin.requests()).toHaveLength(1);
      });
      const [connection] = origin.connections;
      // Each pause is as long as some exchanges of others take.
      const pause = async (): Promise<void> => {
        for (let i = 0; i < 30; i += 1) await exchange(message('GET /other'));
      };
      await pause();
      expect(sender.received()).toBe('');
      connection?.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst');
      await pause();
      connection?.write('last');
      const response = await sender.response();
      expect([response.status, response.body]).toEqual([200, 'firstlast']);
      expect(await sender.closed()).toBe('ended');
      expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
    },
  },
  {
    id: 'R40b',
    fact: 'a client that has closed its connection is found out by what is written to it',
    script: {},
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(message('GET /'));
      await eventually(() => {
        expect(origin.requests()).toHaveLength(1);
      });
      sender.destroy();
      origin.connections[0]?.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      await eventually(() => {
        origin.connections[0]?.write(chunk('event'));
        expect(origin.open()).toBe(0);
      });
      expect(subject.exchanges.log[0]?.end?.kind).toBe('client_closed');
    },
  },
  {
    id: 'G1',
    fact: 'a client that leaves in the middle of its upload ends the upstream request within 100 ms',
    script: {},
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(message('POST /', ['Content-Length: 10'], 'hello'));
      await eventually(() => {
        expect(origin.connections[0]?.received().endsWith('hello')).toBe(true);
      });
      const leftAt = performance.now();
      sender.destroy();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(performance.now() - leftAt).toBeLessThan(busyMachineMs);
      expect(origin.requests()).toEqual([]);
      expect(subject.exchanges.log[0]?.end).toEqual({
        kind: 'client_closed',
        requestBytes: 5,
        responseBytes: 0,
      });
    },
  },
  {
    id: 'G1b',
    fact: 'a client that resets its connection in the middle of its answer ends the upstream request within 100 ms',
    script: { request: () => 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello' },
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(message('GET /'));
      await eventually(() => {
        expect(sender.received().endsWith('hello')).toBe(true);
      });
      const leftAt = performance.now();
      sender.reset();
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(performance.now() - leftAt).toBeLessThan(busyMachineMs);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('client_closed');
    },
  },
  {
    id: 'G2',
    fact: 'a client that does not read holds its instance back, and is cut after the idle time',
    options: { timeouts: { idleMs: 400 } },
    script: {
      request: (_request, { socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(floods * flood.length)}\r\n\r\n`);
        for (let i = 0; i < floods; i += 1) socket.write(flood);
        return undefined;
      },
    },
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.socket.pause();
      sender.send(message('GET /'));
      await eventually(() => {
        expect(subject.exchanges.log[0]?.end).toBeDefined();
      });
      const end = subject.exchanges.log[0]?.end;
      expect(end?.kind).toBe('client_closed');
      expect(end?.responseBytes).toBeLessThan(heldBytes);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    },
  },
  {
    id: 'G2b',
    fact: 'an instance that does not read holds its client back, and is given up after the idle time with 504',
    options: { timeouts: { idleMs: 400 } },
    script: {
      connected: ({ socket }) => {
        socket.pause();
      },
    },
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(message('POST /', [`Content-Length: ${String(floods * flood.length)}`]));
      for (let i = 0; i < floods; i += 1) sender.send(flood);
      expect((await sender.response()).status).toBe(504);
      const [log] = subject.exchanges.log;
      expect(log?.failures).toEqual([{ code: 'upstream_timeout', sent: 'body', connection: 'fresh' }]);
      await sender.closed();
      expect(log?.end?.requestBytes).toBeLessThan(heldBytes);
      // Or it would never learn that its peer has gone.
      origin.connections[0]?.socket.resume();
    },
  },
  {
    id: 'G2c',
    fact: 'large bodies cross both ways byte for byte',
    script: {
      request: ({ body }) => `HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`,
    },
    run: async ({ client }) => {
      const body = Array.from({ length: 30_000 }, (_, i) => i.toString(36).padStart(8, '\xe9')).join('');
      const sender = await client();
      sender.send(message('POST /', [`Content-Length: ${String(body.length)}`], body));
      expect((await sender.response()).body === body).toBe(true);
    },
  },
];

/** Statements about the flow of bodies: expectations, early answers, leaving, backpressure. */
export function bodyCases(): readonly Case[] {
  return cases;
}
