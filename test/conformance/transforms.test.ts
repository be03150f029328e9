import { afterEach, describe, expect, it } from 'vitest';

import type { BodyTransform, RelayStep } from '../../gateway/src/exchange/seam.ts';
import type { FieldLines } from '../../gateway/src/http/field-lines.ts';
import type { ResponseHead } from '../../gateway/src/http/message.ts';
import { openRawClient, rawExchange } from '../kit/raw-client.ts';
import { startRecordingOrigin, type OriginScript, type RecordingOrigin } from '../kit/recording-origin.ts';
import { engineNames, startSubject, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Bodies that a step of the exchange sees or changes on their way. */

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function startOrigin(script?: OriginScript): Promise<RecordingOrigin> {
  const origin = await startRecordingOrigin(script);
  endings.push(() => origin.close());
  return origin;
}

const upperCase = (): BodyTransform => ({
  length: 'same',
  push: (bytes) => Buffer.from(bytes.toString('latin1').toUpperCase(), 'latin1'),
  end: () => Buffer.alloc(0),
});

/** Holds everything back until the end. */
function reversed(): BodyTransform {
  const kept: Buffer[] = [];
  return {
    length: 'changed',
    push: (bytes) => {
      kept.push(Buffer.from(bytes));
      return Buffer.alloc(0);
    },
    end: () => Buffer.concat([Buffer.concat(kept).reverse(), Buffer.from('.')]),
  };
}

const relay = ({ status, reason }: ResponseHead, more: Partial<RelayStep>): RelayStep => ({
  kind: 'relay',
  status,
  reason,
  fields: [],
  connection: 'keep',
  ...more,
});

const answering = (head: string, body: string): OriginScript => ({
  request: () => `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`,
});

describe.each(engineNames)('the %s engine', (engine) => {
  async function start(ports: readonly number[], options: SubjectOptions): Promise<Subject> {
    const subject = await startSubject(engine, ports, options);
    endings.push(async () => {
      await subject.stop();
      expect(subject.faults).toEqual([]);
    });
    return subject;
  }

  const forms: [string, string][] = [
    ['with a length', message('PUT /', ['Content-Length: 10'], 'helloworld')],
    ['in chunks', message('PUT /', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n')],
  ];

  it.each(forms)('changes a request body %s and keeps its framing', async (_form, request) => {
    const origin = await startOrigin();
    const { port } = await start([origin.port], {
      script: { begin: (_head, attempt) => attempt({ transform: upperCase() }) },
    });
    expect((await rawExchange(port, request)).status).toBe(200);
    expect(origin.requests().map(({ body }) => body)).toEqual(['HELLOWORLD']);
  });

  it.each(forms)('sends a request body %s in chunks when its length changes', async (_form, request) => {
    const origin = await startOrigin();
    const { port, exchanges } = await start([origin.port], {
      script: { begin: (_head, attempt) => attempt({ transform: reversed() }) },
    });
    expect((await rawExchange(port, request)).status).toBe(200);
    expect(origin.requests().map(({ body }) => body)).toEqual(['dlrowolleh.']);
    expect(origin.connections[0]?.received()).toMatch(/\r\nTransfer-Encoding: chunked\r\n/i);
    expect(exchanges.log[0]?.end).toMatchObject({ kind: 'complete', requestBytes: 10 });
  });

  it.each(forms)(
    'sends what has come out of a transform again, not through it twice',
    async (_form, request) => {
      const broken = await startOrigin({
        data: (connection) => {
          if (connection.received().includes('dlrow')) connection.reset();
        },
      });
      const sound = await startOrigin();
      const transform = reversed();
      const { port } = await start([broken.port, sound.port], { attempt: { transform } });
      expect((await rawExchange(port, request)).status).toBe(200);
      expect(sound.requests().map(({ body }) => body)).toEqual(['dlrowolleh.']);
    },
  );

  const responses: [string, OriginScript][] = [
    ['with a length', answering('Content-Length: 10', 'helloworld')],
    ['in chunks', answering('Transfer-Encoding: chunked', '5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n')],
  ];

  it.each(responses)('changes a response body %s', async (_form, script) => {
    const origin = await startOrigin(script);
    const { port } = await start([origin.port], {
      script: { responded: (head) => relay(head, { transform: upperCase() }) },
    });
    expect(await rawExchange(port, message('GET /'))).toMatchObject({ status: 200, body: 'HELLOWORLD' });
  });

  it.each(responses)('frames a response body %s anew when its length changes', async (_form, script) => {
    const origin = await startOrigin(script);
    const { port } = await start([origin.port], {
      script: { responded: (head) => relay(head, { transform: reversed() }) },
    });
    const client = await openRawClient(port);
    endings.push(() => {
      client.destroy();
    });
    client.send(message('GET /1'));
    expect(await client.response()).toMatchObject({ status: 200, body: 'dlrowolleh.' });
    expect(client.received()).toMatch(/\r\nTransfer-Encoding: chunked\r\n/i);
    // The connection goes on, and another transform begins.
    client.send(message('GET /2'));
    expect(await client.response()).toMatchObject({ status: 200, body: 'dlrowolleh.' });
    const old = await openRawClient(port);
    old.send('GET / HTTP/1.0\r\n\r\n');
    expect(await old.response()).toMatchObject({ status: 200, body: 'dlrowolleh.' });
  });

  it('leaves a response without a body alone', async () => {
    const origin = await startOrigin(answering('Content-Length: 10', ''));
    const { port } = await start([origin.port], {
      script: { responded: (head) => relay(head, { transform: reversed() }) },
    });
    const client = await openRawClient(port);
    endings.push(() => {
      client.destroy();
    });
    client.send(message('HEAD /'));
    expect(await client.response('HEAD')).toMatchObject({ status: 200, body: '' });
    expect(client.received()).not.toMatch(/content-length|transfer-encoding/i);
  });

  it('shows a step the trailers of a response', async () => {
    const origin = await startOrigin(
      answering('Transfer-Encoding: chunked', '2\r\nhi\r\n0\r\nGrpc-Status: 0\r\nX-Inner: 1\r\n\r\n'),
    );
    const seen: FieldLines[] = [];
    const { port } = await start([origin.port], {
      script: {
        responded: (head) =>
          relay(head, {
            trailers: (fields) => {
              seen.push(fields);
              return fields.slice(0, 2);
            },
          }),
      },
    });
    const client = await openRawClient(port);
    endings.push(() => {
      client.destroy();
    });
    client.send(message('GET /', ['TE: trailers', 'Connection: TE']));
    expect(await client.response()).toMatchObject({ status: 200, body: 'hi' });
    expect(seen).toEqual([['Grpc-Status', '0', 'X-Inner', '1']]);
    expect(client.received()).toContain('Grpc-Status: 0\r\n');
    expect(client.received()).not.toContain('X-Inner');
  });

  it('answers 500 when a transform of a request throws', async () => {
    const origin = await startOrigin();
    const subject = await startSubject(engine, [origin.port], {
      script: {
        begin: (_head, attempt) =>
          attempt({
            transform: {
              length: 'same',
              push: () => {
                throw new Error('a mistake');
              },
              end: () => Buffer.alloc(0),
            },
          }),
      },
    });
    endings.push(() => subject.stop());
    expect((await rawExchange(subject.port, message('PUT /', ['Content-Length: 5'], 'hello'))).status).toBe(
      500,
    );
    expect(subject.faults).toHaveLength(1);
    expect(subject.exchanges.log[0]?.end).toMatchObject({ kind: 'complete' });
  });
});
