import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok } from '../kit/recording-origin.ts';
import { chunk, message, type Case, type Trial } from './trial.ts';

/** The request gets this status, its connection is closed, and no instance hears of it. */
function refused(id: string, what: string, request: string, ...statuses: readonly number[]): Case {
  return {
    id,
    fact: `${what} is refused with ${statuses.join(' or ')}, and nothing is forwarded`,
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(request);
      const response = await sender.response();
      expect(statuses).toContain(response.status);
      expect(valuesOf(response, 'connection')).toEqual(['close']);
      expect(await sender.closed()).toBe('ended');
      expect(sender.rest()).toBe('');
      expect(origin.connections).toHaveLength(0);
    },
  };
}

/** The refusal says why: which line, or which limit. */
function explained(id: string, what: string, request: string, detail: string): Case {
  return {
    id,
    fact: `the refusal of ${what} says: ${detail}`,
    run: async ({ client, subject }) => {
      const sender = await client();
      sender.send(request);
      await sender.response();
      expect(subject.exchanges.details).toEqual([detail]);
    },
  };
}

const withFields = (...fields: string[]): string => message('POST /', fields, 'hello');
const chunked = (body: string): string => message('POST /', ['Transfer-Encoding: chunked'], body);

/** A broken chunked body: the client gets 400, and the instance never sees a whole request. */
function brokenChunks(id: string, what: string, body: string): Case {
  return {
    id,
    fact: `${what} in a chunked body is refused with 400, and the instance never gets a whole request`,
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(chunked(body));
      const response = await sender.response();
      expect(response.status).toBe(400);
      expect(await sender.closed()).toBe('ended');
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(origin.requests()).toEqual([]);
    },
  };
}

async function onlyForwarded({ origin }: Trial): Promise<ReturnType<Trial['origin']['requests']>[number]> {
  return eventually(() => {
    const [first, ...more] = origin.requests();
    if (first === undefined) throw new Error('nothing forwarded');
    expect(more).toEqual([]);
    return first;
  });
}

const manyLines = Array.from({ length: 100 }, () => 'A: b');

const cases: readonly Case[] = [
  {
    id: 'R04',
    fact: 'unknown fields cross unchanged, in their order, repeated names kept apart',
    run: async (trial) => {
      const fields = [
        'X-One: 1',
        'x-two: a  b',
        'X-One: 2',
        'X-ONE:3',
        'Cookie: a=1',
        '_u: 1',
        'Cookie: b=2',
      ];
      await trial.exchange(message('GET /path//x/?q=a//b&%zz', fields));
      const forwarded = await onlyForwarded(trial);
      expect(forwarded.target).toBe('/path//x/?q=a//b&%zz');
      expect(forwarded.fields.filter(([name]) => name !== 'Connection')).toEqual([
        ['Host', 'h'],
        ['X-One', '1'],
        ['x-two', 'a  b'],
        ['X-One', '2'],
        ['X-ONE', '3'],
        ['Cookie', 'a=1'],
        ['_u', '1'],
        ['Cookie', 'b=2'],
      ]);
    },
  },
  {
    id: 'R04b',
    fact: 'an unknown method is forwarded',
    run: async (trial) => {
      expect((await trial.exchange(message('BREW /pot'))).status).toBe(200);
      expect((await onlyForwarded(trial)).method).toBe('BREW');
    },
  },
  {
    id: 'R04c',
    fact: 'the names __proto__ and constructor are fields like any other',
    run: async (trial) => {
      await trial.exchange(message('GET /', ['__proto__: a', 'constructor: b', 'hasOwnProperty: c']));
      expect((await onlyForwarded(trial)).fields.slice(1, 4)).toEqual([
        ['__proto__', 'a'],
        ['constructor', 'b'],
        ['hasOwnProperty', 'c'],
      ]);
    },
  },
  refused(
    'R11',
    'Content-Length with Transfer-Encoding',
    withFields('Content-Length: 5', 'Transfer-Encoding: chunked'),
    400,
  ),
  refused(
    'R11b',
    'Transfer-Encoding with Content-Length',
    withFields('Transfer-Encoding: chunked', 'Content-Length: 5'),
    400,
  ),
  refused('R12', 'a coding before chunked', withFields('Transfer-Encoding: gzip, chunked'), 501),
  refused('R12b', 'an empty member before chunked', withFields('Transfer-Encoding: ,chunked'), 400),
  refused(
    'R12c',
    'a transfer coding that does not end in chunked',
    withFields('Transfer-Encoding: gzip'),
    400,
  ),
  refused(
    'R12d',
    'chunked twice',
    withFields('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    400,
  ),
  refused('R12e', 'identity', withFields('Transfer-Encoding: identity'), 400),
  refused('R12f', 'a vertical tab before chunked', withFields('Transfer-Encoding: \vchunked'), 400),
  refused(
    'R12g',
    'Transfer-Encoding over HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ),
  refused('R14', 'an empty Content-Length', withFields('Content-Length: '), 400),
  refused('R14b', 'a signed Content-Length', withFields('Content-Length: +5'), 400),
  refused('R14c', 'a hexadecimal Content-Length', withFields('Content-Length: 0x5'), 400),
  refused('R14d', 'a list of lengths', withFields('Content-Length: 5, 5'), 400),
  refused('R14e', 'conflicting lengths', withFields('Content-Length: 5', 'Content-Length: 6'), 400),
  refused('R14f', 'a length repeated', withFields('Content-Length: 5', 'Content-Length: 5'), 400),
  refused('R14g', 'a length of 30 digits', withFields(`Content-Length: ${'9'.repeat(30)}`), 400),
  refused('R14h', 'a length beyond exact numbers', withFields('Content-Length: 9007199254740993'), 400),
  {
    id: 'R14i',
    fact: 'leading zeros of a length are not passed on',
    run: async (trial) => {
      await trial.exchange(withFields('Content-Length: 0005'));
      const forwarded = await onlyForwarded(trial);
      expect(valuesOf(forwarded, 'content-length')).toEqual(['5']);
      expect(forwarded.body).toBe('hello');
    },
  },
  brokenChunks('R16', 'a hexadecimal prefix', '0x5\r\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16b', 'a sign', '+5\r\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16c', 'an underscore', '1_0\r\nhellohellohello!\r\n0\r\n\r\n'),
  brokenChunks('R16d', 'a space before the size', ' 5\r\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16e', 'a size of 20 digits', `${'f'.repeat(20)}\r\nhello\r\n0\r\n\r\n`),
  brokenChunks('R16f', 'a bare LF after the size', '5\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16g', 'a missing CRLF after the data', '5\r\nhelloX0\r\n\r\n'),
  brokenChunks('R16h', 'an empty size', '\r\nhello\r\n0\r\n\r\n'),
  {
    id: 'R16i',
    fact: 'chunk extensions are dropped',
    run: async (trial) => {
      await trial.exchange(chunked('5;name=value\r\nhello\r\n0;last\r\n\r\n'));
      expect((await onlyForwarded(trial)).body).toBe('hello');
      expect(trial.origin.connections[0]?.received()).not.toContain('name=value');
    },
  },
  brokenChunks('R16k', 'a space behind the size', '5 \r\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16l', 'a second size behind a space', '5 5;a\r\nhello\r\n0\r\n\r\n'),
  {
    id: 'R16m',
    fact: 'leading zeros of a chunk size are read over, and not passed on',
    run: async (trial) => {
      await trial.exchange(chunked(`${'0'.repeat(40)}5\r\nhello\r\n${'0'.repeat(40)}\r\n\r\n`));
      expect((await onlyForwarded(trial)).body).toBe('hello');
      expect(trial.origin.connections[0]?.received()).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
    },
  },
  {
    id: 'R16n',
    fact: 'white space around the semicolon of a chunk extension is in the grammar, and dropped with it',
    run: async (trial) => {
      await trial.exchange(chunked('5 ;a=b\r\nhello\r\n6\t ; c = "d"\r\n world\r\n0; x\r\n\r\n'));
      expect((await onlyForwarded(trial)).body).toBe('hello world');
      expect(trial.origin.connections[0]?.received()).toMatch(
        /\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n$/,
      );
    },
  },
  brokenChunks('R16o', 'a quoted string without end', '5;a="b\r\nhello\r\n0\r\n\r\n'),
  brokenChunks('R16p', 'a bare LF behind the last chunk', '5\r\nhello\r\n0\r\n\n'),
  brokenChunks('R16q', 'a trailer line that ends in a bare LF', '5\r\nhello\r\n0\r\nA: b\n'),
  {
    id: 'R16j',
    fact: 'chunk extensions without end are refused with 413 or 400',
    run: async ({ client }) => {
      const sender = await client();
      sender.send(chunked(`5;${'a'.repeat(40_000)}`));
      expect([400, 413]).toContain((await sender.response()).status);
      await sender.closed();
    },
  },
  refused('R17', 'a folded line', withFields('X-A: b', ' c', 'Content-Length: 5'), 400),
  refused('R18', 'a bare LF in the head', 'GET / HTTP/1.1\nHost: h\n\n', 400),
  refused('R18b', 'a bare CR in a value', message('GET /', ['X-A: b\rX-C: d']), 400),
  refused('R18c', 'a NUL in a value', message('GET /', ['X-A: b\0c']), 400),
  refused('R18d', 'a control character in a name', message('GET /', ['X\x01A: b']), 400),
  refused('R18e', 'a bare LF between lines', message('GET /', ['X-A: b\nX-C: d']), 400),
  refused('R19', 'a space before the colon', message('GET /', ['X-A : b']), 400),
  refused('R19b', 'an empty name', message('GET /', [': b']), 400),
  refused('R19c', 'a line without a colon', message('GET /', ['X-A']), 400),
  refused('R19d', 'a name that is not a token', message('GET /', ['X(A): b']), 400),
  {
    id: 'R22',
    fact: 'CONNECT is refused with 405, and the bytes behind it go nowhere',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send('CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n');
      expect((await sender.response()).status).toBe(405);
      await sender.closed();
      expect(origin.connections).toHaveLength(0);
    },
  },
  refused('R25', 'HTTP/2.0 in a request line', 'GET / HTTP/2.0\r\nHost: h\r\n\r\n', 505),
  refused('R25b', 'HTTP/0.9 in a request line', 'GET / HTTP/0.9\r\nHost: h\r\n\r\n', 400, 505),
  refused('R25c', 'garbage', 'hello\r\n\r\n', 400),
  {
    id: 'R33',
    fact: 'no framing is invented: GET without a body has none, POST without a body none or length 0',
    run: async ({ client, origin }) => {
      const sender = await client();
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST', 'PUT', 'PATCH']) {
        sender.send(message(`${method} /`));
        await sender.response(method);
      }
      const framing = origin
        .requests()
        .map((request) =>
          [...valuesOf(request, 'content-length'), ...valuesOf(request, 'transfer-encoding')].join(),
        );
      expect(framing.slice(0, 4)).toEqual(['', '', '', '']);
      for (const said of framing.slice(4)) expect(['', '0']).toContain(said);
    },
  },
  {
    id: 'R39',
    fact: 'request trailers are discarded, never merged',
    run: async (trial) => {
      await trial.exchange(
        message(
          'POST /',
          ['Transfer-Encoding: chunked', 'Trailer: X-T'],
          `${chunk('hello')}0\r\nX-T: 1\r\nHost: evil\r\n\r\n`,
        ),
      );
      const forwarded = await onlyForwarded(trial);
      expect(forwarded.body).toBe('hello');
      expect(forwarded.trailers).toEqual([]);
      expect(valuesOf(forwarded, 'host')).toEqual(['h']);
      for (const name of ['trailer', 'x-t', 'content-length']) expect(valuesOf(forwarded, name)).toEqual([]);
    },
  },
  brokenChunks('R39b', 'a framing field among the trailers', '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n'),
  {
    id: 'R41',
    fact: 'pipelined requests are answered in order, one after the other',
    script: {
      request: ({ target }, connection) => {
        // The first answer takes longest, so that answers of requests run at once would come in another order.
        setTimeout(
          () => {
            connection.write(ok(target));
          },
          target === '/1' ? 60 : 1,
        );
        return undefined;
      },
    },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(
        ['/1', '/2', '/3'].map((target) => message(`POST ${target}`, ['Content-Length: 2'], 'ab')).join(''),
      );
      for (const target of ['/1', '/2', '/3']) expect((await sender.response()).body).toBe(target);
      expect(origin.connections).toHaveLength(1);
    },
  },
  {
    id: 'R41b',
    fact: 'a request behind one that asked to close is not executed',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(message('GET /1', ['Connection: close']) + message('GET /2'));
      expect((await sender.response()).status).toBe(200);
      expect(await sender.closed()).toBe('ended');
      expect(origin.requests().map(({ target }) => target)).toEqual(['/1']);
    },
  },
  {
    id: 'R41c',
    fact: 'garbage behind a request is answered after it, with 400',
    script: {
      request: (_request, connection) => {
        setTimeout(() => {
          connection.write(ok());
        }, 30);
        return undefined;
      },
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(`${message('GET /1')}garbage\r\n\r\n`);
      expect((await sender.response()).status).toBe(200);
      expect((await sender.response()).status).toBe(400);
      expect(await sender.closed()).toBe('ended');
    },
  },
  {
    id: 'R41d',
    fact: 'nothing behind a refused request is executed',
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(
        `${message('POST /1', ['Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\n')}${message('GET /2')}`,
      );
      expect((await sender.response()).status).toBe(400);
      await sender.closed();
      expect(sender.rest()).toBe('');
      expect(origin.connections).toHaveLength(0);
    },
  },
  {
    id: 'R42',
    fact: 'an HTTP/1.0 client gets no chunks and no keep-alive, even when it asks',
    script: {
      request: () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('hello')}0\r\n\r\n`,
    },
    run: async ({ client }) => {
      const sender = await client();
      sender.send('GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTE: chunked\r\n\r\n');
      expect(await sender.closed()).toBe('ended');
      const response = await sender.response();
      expect(response.body).toBe('hello');
      expect(valuesOf(response, 'transfer-encoding')).toEqual([]);
      expect(valuesOf(response, 'connection')).toEqual(['close']);
    },
  },
  {
    id: 'R42b',
    fact: 'Expect from an HTTP/1.0 client is not passed on',
    run: async (trial) => {
      await trial.exchange(
        'POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
      );
      const forwarded = await onlyForwarded(trial);
      expect(forwarded.body).toBe('hello');
      expect(valuesOf(forwarded, 'expect')).toEqual([]);
    },
  },
  {
    id: 'R45',
    fact: 'bytes above 0x7f in field values reach the instance as they are',
    run: async (trial) => {
      const value = 'caf\xe9 \xc3\xa9 \xff';
      await trial.exchange(
        message(
          'POST /',
          ['Content-Length: 5', `X-A: ${value}`, `Content-Disposition: attachment; filename=${value}`],
          'hello',
        ),
      );
      const forwarded = await onlyForwarded(trial);
      expect(valuesOf(forwarded, 'x-a')).toEqual([value]);
      expect(valuesOf(forwarded, 'content-disposition')).toEqual([`attachment; filename=${value}`]);
    },
  },
  {
    id: 'P6u',
    fact: 'bytes above 0x7f in a target reach the instance as they are',
    run: async (trial) => {
      const target = '/caf\xc3\xa9/\xff?q=\xe9\x85\xa0';
      expect((await trial.exchange(message(`GET ${target}`))).status).toBe(200);
      expect((await onlyForwarded(trial)).target).toBe(target);
    },
  },
  {
    id: 'S1',
    fact: 'a head that does not arrive in time is answered with 408',
    options: { limits: { requestHeadMs: 150 } },
    run: async ({ client, subject }) => {
      const sender = await client();
      const startedAt = performance.now();
      sender.send('GET / HTTP/1.1\r\nHost:');
      expect((await sender.response()).status).toBe(408);
      expect(performance.now() - startedAt).toBeLessThan(600);
      expect(await sender.closed()).toBe('ended');
      expect(subject.exchanges.refusals).toEqual(['request_timeout']);
    },
  },
  {
    id: 'S1b',
    fact: 'a connection on which nothing ever comes is closed without a word',
    options: { limits: { requestHeadMs: 150 } },
    run: async ({ client, subject }) => {
      const silent = await client();
      await silent.closed();
      expect(silent.received()).toBe('');
      expect(subject.exchanges.refusals).toEqual([]);
    },
  },
  {
    id: 'S1c',
    fact: 'a second head that does not arrive in time is answered with 408',
    options: { limits: { requestHeadMs: 150 } },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(message('GET /'));
      expect((await sender.response()).status).toBe(200);
      sender.send('GET / HT');
      expect((await sender.response()).status).toBe(408);
      await sender.closed();
    },
  },
  {
    id: 'S1d',
    fact: 'an announced body over the limit is refused with 413, and no instance gets it',
    options: { limits: { bodyBytes: 4 } },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(withFields('Content-Length: 5'));
      expect((await sender.response()).status).toBe(413);
      expect(origin.connections).toHaveLength(0);
    },
  },
  {
    id: 'S1e',
    fact: 'a chunked body that grows over the limit is refused with 413, and the instance never gets a whole request',
    options: { limits: { bodyBytes: 8 } },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(chunked(chunk('hello')));
      await eventually(() => {
        expect(origin.connections[0]?.received()).toContain('hello');
      });
      sender.send(`${chunk('world')}0\r\n\r\n`);
      expect((await sender.response()).status).toBe(413);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(origin.requests()).toEqual([]);
    },
  },
  refused('S1f', 'a target over the limit', message(`GET /${'a'.repeat(17_000)}`), 414),
  refused('S1g', 'a target far over the limit', message(`GET /${'a'.repeat(60_000)}`), 414),
  refused('S1h', 'a head over the limit', message('GET /', [`X-A: ${'a'.repeat(17_000)}`]), 431),
  refused('S1i', 'a head far over the limit', message('GET /', [`X-A: ${'a'.repeat(60_000)}`]), 431),
  refused('S1j', 'a head with too many lines', message('GET /', manyLines), 431),
  ...[
    ['S4a', message('GET /', ['A: b', ' c']), 'Header line 3 is folded.'],
    ['S4b', message('GET /', ['A : b']), 'Header line 2 has white space before its colon.'],
    ['S4c', message('GET /', ['A: b', 'B: \0']), 'Header line 3 holds a control character.'],
    ['S4d', withFields('Content-Length: 5', 'Content-Length: 5'), 'Header line 3 repeats Content-Length.'],
    [
      'S4e',
      withFields('Content-Length: +5'),
      'Header line 2 is a Content-Length that is not one decimal number.',
    ],
    [
      'S4f',
      withFields('Transfer-Encoding: chunked', 'Content-Length: 5'),
      'Header lines 2 and 3 are Content-Length and Transfer-Encoding.',
    ],
    [
      'S4g',
      withFields('Transfer-Encoding: gzip, chunked'),
      'Header line 2 is a Transfer-Encoding other than chunked.',
    ],
    ['S4h', message('GET /', [`X-A: ${'a'.repeat(17_000)}`]), 'The request head is longer than 16384 bytes.'],
    ['S4i', message('GET /', manyLines), 'The request head has more than 100 header lines.'],
    ['S4j', message(`GET /${'a'.repeat(17_000)}`), 'The request target is longer than 16384 bytes.'],
    [
      'S4k',
      message('GET /a b'),
      'The request line is not a method, a target and a version with one space between them.',
    ],
    ['S4l', 'GET / HTTP/1.x\r\nHost: h\r\n\r\n', 'The request line does not end with HTTP/1.1.'],
    ['S4m', message('GET /\x1b[2J'), 'The request line holds a control character.'],
  ].map(([id = '', request = '', detail = '']) =>
    explained(id, JSON.stringify(request.slice(0, 60)), request, detail),
  ),
  {
    id: 'S1k',
    fact: 'a head just within the limits is forwarded',
    run: async (trial) => {
      const fields = [...Array.from({ length: 98 }, () => 'A: b'), `X-A: ${'a'.repeat(15_000)}`];
      expect((await trial.exchange(message('GET /', fields))).status).toBe(200);
      expect((await onlyForwarded(trial)).fields.filter(([name]) => name === 'A')).toHaveLength(98);
    },
  },
  {
    id: 'S1l',
    fact: 'an idle connection is closed after the keep-alive time',
    options: { limits: { keepAliveMs: 100 } },
    run: async ({ client }) => {
      const sender = await client();
      sender.send(message('GET /'));
      expect((await sender.response()).status).toBe(200);
      expect(await sender.closed(3_000)).toBe('ended');
    },
  },
  {
    id: 'S1m',
    fact: 'an upload that stalls is answered with 408, and the instance is let go',
    options: { timeouts: { idleMs: 150 } },
    run: async ({ client, origin }) => {
      const sender = await client();
      sender.send(message('POST /', ['Content-Length: 10'], 'hello'));
      expect((await sender.response()).status).toBe(408);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      await sender.closed();
    },
  },
];

/** Statements about what is taken from clients and what of it reaches instances. */
export function requestCases(): readonly Case[] {
  return cases;
}
