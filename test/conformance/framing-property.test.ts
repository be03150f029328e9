import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { openRawClient } from '../kit/raw-client.ts';
import { takeRequests } from '../kit/raw-message.ts';
import { ok, startRecordingOrigin, type RecordingOrigin } from '../kit/recording-origin.ts';
import { engineNames, startSubject, type Subject } from './subject.ts';

/**
 * R13: whatever a client sends, each request reaches the instance framed exactly once and with its own body, or not at all. The
 * judge is a strict reader that shares no code with the engine.
 */

const methods = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'PROPFIND'] as const;
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
const bodies = fc.oneof(
  fc.constant(''),
  fc.constant(smuggled),
  fc.constant(`0\r\n\r\n${smuggled}`),
  fc.string({ unit: fc.constantFrom('a', '\r', '\n', ':', '0', '\xff'), maxLength: 60 }),
);

/** Cuts a text into pieces at the given places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [...places, text.length]
    .map((end, index) => text.slice(places[index - 1] ?? 0, end))
    .filter((p) => p !== '');
}

const sound = fc
  .record({
    method: fc.constantFrom(...methods),
    body: bodies,
    framing: fc.constantFrom('length', 'chunked'),
    chunks: fc.array(fc.nat(200), { maxLength: 4 }),
    extension: fc.constantFrom('', ';a', ';a="b"'),
    trailer: fc.constantFrom('', 'X-T: 1\r\n'),
  })
  .map(({ method, body, framing, chunks, extension, trailer }) => ({
    method,
    body,
    text:
      framing === 'length'
        ? `${method} / HTTP/1.1\r\nHost: h\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`
        : `${method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${pieces(body, chunks)
            .map((piece) => `${piece.length.toString(16)}${extension}\r\n${piece}\r\n`)
            .join('')}0\r\n${trailer}\r\n`,
  }));

const framingLines = [
  'Content-Length: 36',
  'Content-Length: 0',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length : 5',
  'Content_Length: 5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked ',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding:\vchunked',
  'Transfer-Encoding\t: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  ' Transfer-Encoding: chunked',
  'Expect: 100-continue',
  'Expect: x',
  'Connection: upgrade',
  'Connection: content-length, transfer-encoding',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Trailer: Content-Length',
];

describe.each(engineNames)('the %s engine', (engine) => {
  let origin: RecordingOrigin;
  let subject: Subject;
  beforeAll(async () => {
    origin = await startRecordingOrigin({ request: ({ method }) => (method === 'HEAD' ? ok('') : ok()) });
    subject = await startSubject(engine, [origin.port], { timeouts: { idleMs: 150, responseHeadMs: 500 } });
  });
  afterAll(async () => {
    await subject.stop();
    await origin.close();
    expect(subject.faults).toEqual([]);
  });

  it('forwards a sound message as one message with the same body, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        sound,
        fc.array(fc.nat(500), { maxLength: 4 }),
        async ({ method, body, text }, cuts) => {
          const before = origin.requests().length;
          const client = await openRawClient(subject.port);
          for (const piece of pieces(text, cuts)) {
            client.send(piece);
            await new Promise(setImmediate);
          }
          expect((await client.response(method)).status).toBe(200);
          client.destroy();
          const forwarded = origin.requests().slice(before);
          expect(forwarded.map((request) => [request.method, request.body])).toEqual([[method, body]]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('forwards an odd message only in a form that a strict reader takes, and never its body as a request', async () => {
    const readBefore = subject.exchanges.log.length;
    const opened = origin.connections.map((connection) => connection.received().length);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...methods),
        fc.shuffledSubarray(framingLines, { maxLength: 3 }),
        fc.constantFrom<(hidden: string) => string>(
          (hidden) => hidden,
          (hidden) => `24\r\n${hidden}\r\n0\r\n\r\n`,
          () => '0\r\n\r\n',
        ),
        fc.constantFrom('1.1', '1.0'),
        async (method, lines, bodyOf, version) => {
          // Every request of the test has a name of its own, as long as that of `smuggled`.
          count += 1;
          const number = String(count).padStart(4, '0');
          const body = bodyOf(smuggled.replace('/smuggled', `/hide${number}`));
          const client = await openRawClient(subject.port);
          client.send(
            [`${method} /outer${number} HTTP/${version}`, 'Host: h', ...lines, '', body].join('\r\n'),
          );
          client.send(`GET /end${number} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
          await eventually(() => {
            if (client.state() === 'open' && !/HTTP\/1.1 [2-5]\d\d/.test(client.received()))
              throw new Error('no answer');
          });
          client.destroy();
          await eventually(() => {
            expect(subject.engine.stats().exchanges).toBe(0);
          });
          // All that the instance has got since the start, as what was sent for one client may arrive when the next is served.
          // Throws where a strict reader would; what is left over is a message that was cut off.
          const seen = origin.connections
            .flatMap(
              (connection, index) => takeRequests(connection.received().slice(opened[index] ?? 0)).requests,
            )
            .map(({ method: name, target }) => `${name} ${target}`);
          const read = new Set(
            subject.exchanges.log.slice(readBefore).map(({ head }) => `${head.method} ${head.target}`),
          );
          // The instance reads no request that the engine hasn't read, and none twice.
          expect(seen.filter((request) => !read.has(request))).toEqual([]);
          expect(seen.length).toBe(new Set(seen).size);
        },
      ),
      { numRuns: 300 },
    );
  });
});
