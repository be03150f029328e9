import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok } from '../kit/recording-origin.ts';
import { chunk, message, type Case } from './trial.ts';

const get = message('GET /');

/** An answer that can't be passed on: 502, and its connection is closed. */
function unusable(id: string, what: string, bytes: string, detail?: string): Case {
  return {
    id,
    fact: `${what} becomes a 502${detail === undefined ? '' : ', which the log explains'}, and its connection is closed`,
    script: { request: () => bytes },
    run: async ({ exchange, origin, subject }) => {
      expect((await exchange(get)).status).toBe(502);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(subject.exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['upstream_protocol']);
      if (detail !== undefined) expect(subject.exchanges.log[0]?.failures[0]?.detail).toBe(detail);
    },
  };
}

/** Two requests in a row; tells on how many connections they went to the instance. */
function reuse(id: string, fact: string, bytes: string, connections: 1 | 2, request = get): Case {
  return {
    id,
    fact,
    script: { request: () => bytes },
    run: async ({ client, origin }) => {
      const method = request.slice(0, request.indexOf(' '));
      for (let i = 0; i < 2; i += 1) {
        const sender = await client();
        sender.send(request);
        await sender.response(method);
        if (connections === 2) {
          // Long before it would be closed for being idle.
          await eventually(() => {
            expect(origin.open()).toBe(0);
          }, 2_000);
        }
      }
      expect(origin.connections).toHaveLength(connections);
      expect(origin.requests()).toHaveLength(2);
    },
  };
}

const head = (fields: string, body = ''): string => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;

const cases: readonly Case[] = [
  {
    id: 'R04u',
    fact: 'response fields keep their order, Set-Cookie lines stay apart, Server and Date are not touched',
    script: {
      request: () =>
        ok(
          'ok',
          'Set-Cookie: a=1\r\nServer: origin\r\nset-cookie: b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT\r\n' +
            'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nSet-Cookie: c=3\r\nETag: "x"\r\n',
        ),
    },
    run: async ({ exchange }) => {
      const { fields } = await exchange(get);
      expect(fields.slice(0, 6)).toEqual([
        ['Set-Cookie', 'a=1'],
        ['Server', 'origin'],
        ['set-cookie', 'b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT'],
        ['Date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
        ['Set-Cookie', 'c=3'],
        ['ETag', '"x"'],
      ]);
      expect(valuesOf({ fields }, 'date')).toHaveLength(1);
    },
  },
  {
    id: 'R10',
    fact: '102 and 103 are passed on, and the final response after them',
    script: {
      request: () =>
        `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </\xe9>\r\n\r\n${ok()}`,
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(get);
      expect((await sender.response()).status).toBe(102);
      const hints = await sender.response();
      expect(hints.status).toBe(103);
      expect(hints.fields).toEqual([
        ['Link', '</a>; rel=preload'],
        ['Link', '</\xe9>'],
      ]);
      expect((await sender.response()).status).toBe(200);
    },
  },
  {
    id: 'R10b',
    fact: 'an HTTP/1.0 client gets no interim response, and no client a 100 that it does not wait for',
    script: {
      request: () => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok()}`,
    },
    run: async ({ client }) => {
      const old = await client();
      old.send('GET / HTTP/1.0\r\nHost: h\r\n\r\n');
      expect((await old.response()).status).toBe(200);
      const sender = await client();
      sender.send(get);
      expect((await sender.response()).status).toBe(103);
      expect((await sender.response()).status).toBe(200);
    },
  },
  {
    id: 'I12',
    fact: 'interim responses without end become a 502',
    script: {
      request: (_request, { socket }) => {
        const flood = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20)), 1);
        socket.on('close', () => {
          clearInterval(flood);
        });
        return undefined;
      },
    },
    run: async ({ exchange }) => {
      expect((await exchange(get)).status).toBe(502);
    },
  },
  {
    id: 'R16u',
    fact: 'chunk sizes of a response may have leading zeros',
    script: {
      request: () => head('Transfer-Encoding: chunked\r\n', '00000000000000005\r\nhello\r\n000\r\n\r\n'),
    },
    run: async ({ exchange }) => {
      expect((await exchange(get)).body).toBe('hello');
    },
  },
  {
    id: 'R16v',
    fact: 'white space behind a chunk size of a response is tolerated, before an extension or without one',
    script: {
      request: () =>
        head('Transfer-Encoding: chunked\r\n', '5   \r\nhello\r\n6 ; a=b\r\n world\r\n0 \r\n\r\n'),
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(get);
      expect((await sender.response()).body).toBe('hello world');
      expect(sender.received()).not.toMatch(/ \r\n/);
    },
  },
  unusable(
    'R15',
    'a response with Content-Length and chunks',
    head('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ),
  unusable(
    'R15b',
    'a response with a bad length',
    head('Content-Length: 2x\r\n', 'ok'),
    'Its Content-Length or Transfer-Encoding is ambiguous.',
  ),
  unusable('R15c', 'a response with two lengths', head('Content-Length: 2\r\nContent-Length: 2\r\n', 'ok')),
  unusable(
    'R15d',
    'a response with a coding before chunked',
    head('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
  ),
  unusable(
    'R15e',
    'a response with an empty member before chunked',
    head('Transfer-Encoding: ,chunked\r\n', '0\r\n\r\n'),
  ),
  unusable('R15f', 'chunks over HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  unusable(
    'R17u',
    'a folded response line',
    head('X-A: b\r\n c\r\nContent-Length: 0\r\n'),
    'Header line 2 is folded.',
  ),
  unusable('R18u', 'a response with bare LFs', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'),
  unusable(
    'R18v',
    'a NUL in a response value',
    head('X-A: b\0c\r\nContent-Length: 0\r\n'),
    'Header line 1 holds a control character.',
  ),
  unusable(
    'R18w',
    'a control character in a reason phrase',
    'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n',
  ),
  unusable('R19u', 'a space before the colon of a response line', head('X-A : b\r\nContent-Length: 0\r\n')),
  unusable(
    'R25u',
    'an HTTP/2.0 status line',
    'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
    'Its status line is not valid.',
  ),
  unusable('R25v', 'an HTTP/0.9 response', 'hello'),
  unusable('R44', 'the status 099', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'),
  unusable('R44b', 'the status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n'),
  unusable('R44c', 'the status 999', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'),
  unusable('R44d', 'a status of two digits', 'HTTP/1.1 20 Odd\r\nContent-Length: 0\r\n\r\n'),
  unusable(
    'I12b',
    'a response head of 1 MB',
    head(`X-A: ${'a'.repeat(1_000_000)}\r\nContent-Length: 0\r\n`),
    'Its head is longer than 32768 bytes.',
  ),
  unusable(
    'I12c',
    'a response head of 3,000 short lines',
    head(`${'a:b\r\n'.repeat(3_000)}Content-Length: 0\r\n`),
    'Its head has more than 500 lines.',
  ),
  {
    id: 'I12d',
    fact: 'response heads have limits of their own: 30 KB and 450 lines pass, whatever clients may send',
    script: {
      request: ({ target }) =>
        head(
          target === '/large'
            ? `X-A: ${'a'.repeat(30_000)}\r\nContent-Length: 0\r\n`
            : `${'a:b\r\n'.repeat(450)}Content-Length: 0\r\n`,
        ),
    },
    run: async ({ exchange }) => {
      expect(valuesOf(await exchange(message('GET /large')), 'x-a')).toEqual(['a'.repeat(30_000)]);
      expect(valuesOf(await exchange(message('GET /lines')), 'a')).toHaveLength(450);
    },
  },
  {
    id: 'R44e',
    fact: 'every status from 200 to 599 is passed on with its reason',
    script: {
      request: ({ target }) => {
        const status = target.slice(1);
        return `HTTP/1.1 ${status} Because ${status}\r\n${status === '204' || status === '304' ? '' : 'Content-Length: 0\r\n'}\r\n`;
      },
    },
    run: async ({ client }) => {
      const sender = await client();
      for (const status of [200, 204, 226, 299, 304, 399, 418, 444, 499, 500, 599]) {
        sender.send(message(`GET /${String(status)}`));
        const response = await sender.response();
        expect([response.status, response.reason]).toEqual([status, `Because ${String(status)}`]);
      }
    },
  },
  {
    id: 'R32',
    fact: 'an answer to HEAD has no body and keeps its length; the connection goes on',
    script: { request: ({ method }) => (method === 'HEAD' ? head('Content-Length: 5\r\n') : ok()) },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(message('HEAD /'));
      const response = await sender.response('HEAD');
      expect(valuesOf(response, 'content-length')).toEqual(['5']);
      sender.send(get);
      expect((await sender.response()).body).toBe('ok');
      expect(origin.connections).toHaveLength(1);
    },
  },
  {
    id: 'R32b',
    fact: 'surplus bytes behind an answer close the connection and reach no client',
    script: { request: (_request, _connection, index) => ok('ok') + (index === 0 ? ok('evil') : '') },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(get);
      expect((await sender.response()).body).toBe('ok');
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      sender.send(get);
      expect((await sender.response()).body).toBe('ok');
      expect(origin.connections).toHaveLength(2);
    },
  },
  {
    id: 'R32c',
    fact: 'a body behind a 204 or a HEAD answer closes the connection and reaches no client',
    script: {
      request: ({ method }, _connection, index) =>
        index > 0
          ? ok()
          : method === 'HEAD'
            ? head('Content-Length: 4\r\n', 'evil')
            : 'HTTP/1.1 204 No\r\n\r\nevil',
    },
    run: async ({ client, origin }) => {
      for (const method of ['GET', 'HEAD']) {
        const sender = await client();
        sender.send(message(`${method} /`));
        await sender.response(method);
        await eventually(() => {
          expect(origin.open()).toBe(0);
        });
        expect(sender.rest()).toBe('');
      }
    },
  },
  reuse(
    'R32d',
    'a 204 that announces a body closes the connection',
    'HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n',
    2,
  ),
  {
    id: 'R32e',
    fact: 'a 304 keeps its length and has no body',
    script: { request: () => 'HTTP/1.1 304 Same\r\nContent-Length: 7\r\nETag: "x"\r\n\r\n' },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(get);
      const response = await sender.response();
      expect(valuesOf(response, 'content-length')).toEqual(['7']);
      sender.send(get);
      expect((await sender.response()).status).toBe(304);
    },
  },
  reuse('R36', 'a connection is used again after a response with a length', ok(), 1),
  reuse(
    'R36b',
    'a connection is used again after chunks',
    head('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n'),
    1,
  ),
  reuse(
    'R36c',
    'a connection is used again after an answer to HEAD',
    head('Content-Length: 9\r\n'),
    1,
    message('HEAD /'),
  ),
  reuse(
    'R36d',
    'a connection is not used again after Connection: close',
    ok('ok', 'Connection: close\r\n'),
    2,
  ),
  reuse(
    'R36e',
    'a connection of HTTP/1.0 is not used again, whatever it offers',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
    2,
  ),
  {
    id: 'R37',
    fact: 'bytes on an idle connection close it and are never taken for an answer',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(get);
      await sender.response();
      await eventually(() => {
        expect(origin.connections).toHaveLength(1);
      });
      origin.connections[0]?.write(ok('evil'));
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      sender.send(get);
      expect((await sender.response()).body).toBe('ok');
      expect(origin.connections).toHaveLength(2);
    },
  },
  {
    id: 'R38',
    fact: 'chunks that break off stay broken off',
    script: {
      request: (_request, connection) => {
        connection.write(head('Transfer-Encoding: chunked\r\n', chunk('hello')));
        setTimeout(() => {
          connection.end();
        }, 20);
        return undefined;
      },
    },
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(get);
      await sender.closed();
      expect(sender.received().endsWith(chunk('hello'))).toBe(true);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('response_incomplete');
    },
  },
  {
    id: 'R38b',
    fact: 'a length that is not reached stays short',
    script: {
      request: (_request, connection) => {
        connection.write(head('Content-Length: 10\r\n', 'hello'));
        setTimeout(() => {
          connection.end();
        }, 20);
        return undefined;
      },
    },
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(get);
      await sender.closed();
      expect(sender.received().endsWith('\r\n\r\nhello')).toBe(true);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('response_incomplete');
    },
  },
  {
    id: 'R38c',
    fact: 'a broken answer to an HTTP/1.0 client ends with a reset, as only that shows it',
    script: {
      request: (_request, connection) => {
        connection.write(head('Transfer-Encoding: chunked\r\n', chunk('hello')));
        setTimeout(() => {
          connection.reset();
        }, 20);
        return undefined;
      },
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send('GET / HTTP/1.0\r\nHost: h\r\n\r\n');
      expect(await sender.closed()).toBe('reset');
    },
  },
  {
    id: 'R38d',
    fact: 'a body that ends with its connection is complete when that ends in order',
    script: {
      request: (_request, connection) => {
        connection.end('HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello');
        return undefined;
      },
    },
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(get);
      const response = await sender.response();
      expect(response.body).toBe('hello');
      expect(valuesOf(response, 'transfer-encoding')).toEqual(['chunked']);
      await eventually(() => {
        expect(subject.exchanges.log[0]?.end).toEqual({
          kind: 'complete',
          requestBytes: 0,
          responseBytes: 5,
        });
      });
    },
  },
  {
    id: 'R38e',
    fact: 'a broken chunk size in an answer cuts the client',
    script: { request: () => head('Transfer-Encoding: chunked\r\n', `${chunk('hello')}zz\r\n`) },
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(get);
      await sender.closed();
      expect(sender.received().includes('\r\n0\r\n')).toBe(false);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('response_incomplete');
    },
  },
  {
    id: 'R39c',
    fact: 'response trailers pass to a client that asks for them, without those that may not be trailers; no other client gets any',
    script: {
      request: () =>
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: a\r\n\r\n',
    },
    run: async ({ exchange }) => {
      const asked = await exchange(message('GET /', ['TE: trailers', 'Connection: TE']));
      expect(asked.trailers).toEqual([['X-T', '1']]);
      expect((await exchange(message('GET /'))).trailers).toEqual([]);
    },
  },
  {
    id: 'R43',
    fact: 'an answer of the gateway has a Date and a length',
    options: {
      script: { begin: () => ({ kind: 'answer', status: 404, fields: [], body: 'no', connection: 'keep' }) },
    },
    run: async ({ exchange }) => {
      const response = await exchange(get);
      expect(valuesOf(response, 'date')[0]).toMatch(/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
      expect(valuesOf(response, 'content-length')).toEqual(['2']);
      expect(valuesOf(await exchange(message('HEAD /'), 'HEAD'), 'content-length')).toEqual(['2']);
    },
  },
  {
    id: 'R45b',
    fact: 'bytes above 0x7f in reason and values reach the client as they are, with a length and with chunks',
    script: {
      request: ({ target }) =>
        target === '/length'
          ? `HTTP/1.1 200 D\xe9j\xe0\r\nContent-Length: 2\r\nContent-Disposition: attachment; filename=caf\xe9\r\nX-A: \xff\r\n\r\nok`
          : `HTTP/1.1 200 D\xe9j\xe0\r\nContent-Disposition: attachment; filename=caf\xe9\r\nX-A: \xff\r\nTransfer-Encoding: chunked\r\n\r\n`,
    },
    run: async ({ client, origin }) => {
      for (const target of ['/length', '/chunked']) {
        const sender = await client();
        sender.send(message(`GET ${target}`));
        if (target === '/chunked') {
          // The head goes out by itself, before any byte of the body.
          await eventually(() => {
            expect(sender.received()).toContain('\r\n\r\n');
          });
          origin.connections.at(-1)?.write(`${chunk('ok')}0\r\n\r\n`);
        }
        const response = await sender.response();
        expect(response.reason).toBe('D\xe9j\xe0');
        expect(valuesOf(response, 'content-disposition')).toEqual(['attachment; filename=caf\xe9']);
        expect(valuesOf(response, 'x-a')).toEqual(['\xff']);
      }
    },
  },
  {
    id: 'S2',
    fact: 'an instance that closes before it answers becomes a 502',
    script: {
      request: (_request, connection) => {
        connection.reset();
        return undefined;
      },
    },
    run: async ({ exchange, subject }) => {
      expect((await exchange(message('POST /', ['Content-Length: 2'], 'ab'))).status).toBe(502);
      expect(subject.exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['upstream_reset']);
    },
  },
  {
    id: 'S2b',
    fact: 'an instance that closes in the middle of its head becomes a 502',
    script: {
      request: (_request, connection) => {
        connection.end('HTTP/1.1 200 OK\r\nX-A');
        return undefined;
      },
    },
    run: async ({ exchange }) => {
      expect((await exchange(get)).status).toBe(502);
    },
  },
  {
    id: 'I5',
    fact: 'a head that comes byte by byte must be through in time all the same',
    options: { timeouts: { responseHeadMs: 200, idleMs: 2_000 } },
    script: {
      request: (_request, { socket }) => {
        const drip = setInterval(() => socket.write('H'), 30);
        socket.on('close', () => {
          clearInterval(drip);
        });
        socket.write('HTTP/1.1 200 OK\r\nX-A: ');
        return undefined;
      },
    },
    run: async ({ exchange }) => {
      const startedAt = performance.now();
      expect((await exchange(get)).status).toBe(504);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    },
  },
  {
    id: 'I5b',
    fact: 'a body that stalls cuts the client after the idle time',
    options: { timeouts: { idleMs: 150 } },
    script: { request: () => head('Content-Length: 10\r\n', 'hello') },
    run: async ({ client, subject, origin }) => {
      const sender = await client();
      sender.send(get);
      await sender.closed();
      expect(subject.exchanges.log[0]?.end?.kind).toBe('response_incomplete');
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    },
  },
  {
    id: 'I5c',
    fact: 'a body may take any time as long as it moves',
    options: { timeouts: { idleMs: 120, responseHeadMs: 120 } },
    script: {
      request: (_request, connection) => {
        connection.write(head('Content-Length: 10\r\n'));
        let left = 10;
        const drip = setInterval(() => {
          connection.write('.');
          left -= 1;
          if (left === 0) clearInterval(drip);
        }, 40);
        return undefined;
      },
    },
    run: async ({ exchange }) => {
      expect((await exchange(get)).body).toBe('..........');
    },
  },
];

/** Statements about what is taken from instances and what of it reaches clients. */
export function responseCases(): readonly Case[] {
  return cases;
}
