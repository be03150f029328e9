import { describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok, type OriginScript } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Request bodies that are sent again, whole or from where the client is. */

/** Breaks its connections as soon as it has the text. */
function breaksAt(text: string): OriginScript {
  return {
    data: (connection) => {
      if (connection.received().includes(text)) connection.reset();
    },
  };
}

const busy: OriginScript = {
  request: () => 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy',
};
const chunked = (...chunks: string[]): string =>
  chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');

describe.each(engineNames)('the %s engine', (engine) => {
  const start = (ports: readonly number[], options?: SubjectOptions): Promise<Subject> =>
    startEngine(engine, ports, options);
  it.each([
    ['with a length', message('PUT /', ['Content-Length: 10'], 'helloworld')],
    ['in chunks', message('PUT /', ['Transfer-Encoding: chunked'], `${chunked('hello', 'world')}0\r\n\r\n`)],
  ])('sends a body %s again when the instance breaks off after it', async (_form, request) => {
    const [broken, sound] = [await startOrigin(breaksAt('world')), await startOrigin()];
    const { port, exchanges } = await start([broken.port, sound.port]);
    expect((await rawExchange(port, request)).status).toBe(200);
    expect(sound.requests().map(({ body }) => body)).toEqual(['helloworld']);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'upstream_reset', sent: 'head', connection: 'fresh' },
    ]);
    expect(exchanges.log[0]?.end).toMatchObject({ kind: 'complete', requestBytes: 10 });
  });

  it.each([
    ['with a length', ['Content-Length: 10'], 'hello', 'world'],
    ['in chunks', ['Transfer-Encoding: chunked'], chunked('hello'), `${chunked('world')}0\r\n\r\n`],
  ])(
    'sends what has come of a body %s again, and goes on with the rest',
    async (_form, fields, first, rest) => {
      const [broken, sound] = [await startOrigin(breaksAt('hello')), await startOrigin()];
      const { port, exchanges } = await start([broken.port, sound.port]);
      const sender = await openClient(port);
      sender.send(message('PUT /', fields, first));
      await eventually(() => {
        expect(sound.connections[0]?.received()).toContain('hello');
      });
      sender.send(rest);
      expect((await sender.response()).status).toBe(200);
      expect(sound.requests().map(({ body }) => body)).toEqual(['helloworld']);
      expect(exchanges.log[0]?.failures.map(({ sent }) => sent)).toEqual(['head']);
      expect(exchanges.log[0]?.end).toMatchObject({ kind: 'complete', requestBytes: 10 });
    },
  );

  it('keeps bodies up to its limit, and no further', async () => {
    const [broken, sound] = [await startOrigin(breaksAt('yyyyx')), await startOrigin()];
    const { port, exchanges } = await start([broken.port, sound.port], { replayBytes: 1_000 });
    const put = (bytes: number): string =>
      message('PUT /', [`Content-Length: ${bytes}`], `${'y'.repeat(bytes - 1)}x`);
    expect((await rawExchange(port, put(1_000))).status).toBe(200);
    expect((await rawExchange(port, put(40_000))).status).toBe(502);
    expect(exchanges.log.map(({ failures }) => failures.map(({ sent }) => sent))).toEqual([
      ['head'],
      ['body'],
    ]);
    expect(sound.requests().map(({ body }) => body.length)).toEqual([1_000]);
  });

  it('keeps a body that comes in many small pieces', async () => {
    const [broken, sound] = [await startOrigin(breaksAt('end')), await startOrigin()];
    const { port } = await start([broken.port, sound.port]);
    const pieces = Array.from({ length: 2_000 }, (_, index) => String(index));
    const request = message('PUT /', ['Transfer-Encoding: chunked'], `${chunked(...pieces, 'end')}0\r\n\r\n`);
    expect((await rawExchange(port, request)).status).toBe(200);
    expect(sound.requests().map(({ body }) => body)).toEqual([`${pieces.join('')}end`]);
  });

  it('sends a body again that the first instance has asked for with a 100', async () => {
    const broken = await startOrigin({
      data: (connection) => {
        if (connection.received().includes('hello')) connection.reset();
        else connection.write('HTTP/1.1 100 Continue\r\n\r\n');
      },
    });
    const sound = await startOrigin({
      data: (connection) => {
        if (connection.received().includes('hello')) connection.write(ok());
        else connection.write('HTTP/1.1 100 Continue\r\n\r\n');
      },
    });
    const { port } = await start([broken.port, sound.port]);
    const sender = await openClient(port);
    sender.send(message('PUT /', ['Expect: 100-continue', 'Content-Length: 5']));
    expect((await sender.response()).status).toBe(100);
    sender.send('hello');
    const { status } = await sender.response();
    expect(status === 100 ? (await sender.response()).status : status).toBe(200);
    expect(sound.requests().map(({ body }) => body)).toEqual(['hello']);
  });

  it('goes to another instance after an answer that the exchange does not want, body and all', async () => {
    const [full, sound] = [await startOrigin(busy), await startOrigin()];
    const subject = await start([full.port, sound.port], {
      script: {
        responded: ({ status }, attempt) => (status === 503 ? attempt() : undefined),
      },
    });
    const sender = await openClient(subject.port);
    for (const request of [
      message('GET /'),
      message('PUT /', ['Content-Length: 5'], 'hello'),
      message('PUT /', ['Transfer-Encoding: chunked'], `${chunked('hello')}0\r\n\r\n`),
    ]) {
      sender.send(request);
      expect((await sender.response()).status).toBe(200);
    }
    expect(sound.requests().map(({ body }) => body)).toEqual(['', 'hello', 'hello']);
    await eventually(() => {
      expect(full.open()).toBe(0);
    });
  });

  it('blames an instance that leaves a client waiting for its 100', async () => {
    const origin = await startOrigin({});
    const { port, exchanges } = await start([origin.port], { timeouts: { responseHeadMs: 100 } });
    const sender = await openClient(port);
    sender.send(message('PUT /', ['Expect: 100-continue', 'Content-Length: 5']));
    expect((await sender.response()).status).toBe(504);
    expect(exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['upstream_timeout']);
  });
});
