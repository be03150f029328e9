import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { valuesOf } from '../kit/raw-message.ts';
import type { RawClient } from '../kit/raw-client.ts';
import type { OriginConnection, OriginScript } from '../kit/recording-origin.ts';
import { message, type Case, type Trial } from './trial.ts';

/** More than all buffers on the way can hold. */
const floodBytes = 1024 * 1024;
const floods = 64;
const flood = Buffer.alloc(floodBytes, 'x');

const accepted = 'HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok';
const refused = 'HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno';

/** Answers once, with the first bytes of a request. */
const answersAtOnce = (answer: string): OriginScript => ({
  data: (connection) => {
    if (!connection.received().includes('first')) return;
    if (connection.requests().length === 0 && connection.received().endsWith('first'))
      connection.write(answer);
  },
});

const upload = (bytes: number, path = '/'): string =>
  message(`POST ${path}`, [`Content-Length: ${String(bytes)}`], 'first');

/** Sends all of a large request before it reads anything. */
async function sendsEverythingFirst(sender: RawClient): Promise<void> {
  sender.socket.pause();
  sender.send(message('POST /', [`Content-Length: ${String(floods * floodBytes)}`]));
  for (let i = 0; i < floods; i += 1) sender.send(flood);
  await eventually(() => {
    expect(sender.socket.writableLength).toBe(0);
  }, 20_000);
  sender.socket.resume();
}

/** It gets its answer nevertheless, and the end of the connection as an end. */
async function isAnswered(sender: RawClient, status: number): Promise<void> {
  await sendsEverythingFirst(sender);
  const response = await sender.response();
  expect(response.status).toBe(status);
  expect(valuesOf(response, 'connection')).toEqual(['close']);
  expect(await sender.closed()).toBe('ended');
}

/** Begins an upload of 15 bytes, of which the instance has got the first five and the client the whole answer. */
async function answeredUpload(
  { client, origin }: Trial,
  framing: 'length' | 'chunked' = 'length',
): Promise<{ readonly sender: RawClient; readonly connection: OriginConnection }> {
  const sender = await client();
  sender.send(
    framing === 'length' ? upload(15) : message('POST /', ['Transfer-Encoding: chunked'], '5\r\nfirst'),
  );
  await eventually(() => {
    expect(origin.connections[0]?.received()).toContain('first');
  });
  const [connection] = origin.connections;
  if (connection === undefined) throw new Error('no connection');
  connection.write(accepted);
  const response = await sender.response();
  expect([response.status, response.body]).toEqual([202, 'ok']);
  expect(valuesOf(response, 'connection')).not.toContain('close');
  return { sender, connection };
}

const cases: readonly Case[] = [
  {
    id: 'R34',
    fact: 'an answer before the end of the upload, after which the instance closes, reaches a client that sends everything first',
    script: {
      data: (connection) => {
        connection.socket.removeAllListeners('data');
        connection.socket.pause();
        connection.write(refused);
        // With the request unread, which the kernel tells by a reset.
        connection.destroy();
      },
    },
    run: async ({ client, origin, subject }) => {
      await isAnswered(await client(), 401);
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(subject.exchanges.log[0]?.failures).toEqual([]);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
    },
  },
  {
    id: 'R34c',
    fact: 'what an instance has sent before it closed is read when a write to it fails',
    script: {},
    run: async ({ client, origin, subject }) => {
      for (const [index, response] of [refused, 'HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno'].entries()) {
        const sender = await client();
        sender.send(upload(100_000));
        await eventually(() => {
          expect(origin.connections[index]?.received()).toContain('first');
        });
        // In this order, so that the gateway hears of the bytes of its client first.
        sender.send('y'.repeat(1_000));
        origin.connections[index]?.write(response);
        origin.connections[index]?.reset();
        expect((await sender.response()).status).toBe(401);
        expect(await sender.closed()).toBe('ended');
        expect(subject.exchanges.log[index]?.failures).toEqual([]);
        expect(subject.exchanges.log[index]?.end?.kind).toBe('complete');
      }
    },
  },
  {
    id: 'R34d',
    fact: 'an instance that closes in the middle of an upload without an answer is not the one to blame',
    script: {},
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(upload(100_000));
      await eventually(() => {
        expect(origin.connections[0]?.received()).toContain('first');
      });
      sender.send('y'.repeat(1_000));
      origin.connections[0]?.reset();
      expect((await sender.response()).status).toBe(502);
      expect(subject.exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['upload_refused']);
    },
  },
  {
    id: 'R34e',
    fact: 'what there is of an answer that breaks off during the upload reaches a client that sends everything first, without an end',
    script: {
      data: (connection) => {
        connection.socket.removeAllListeners('data');
        connection.socket.pause();
        connection.write('HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\npart');
        connection.destroy();
      },
    },
    run: async ({ client, subject }) => {
      const sender = await client();
      await sendsEverythingFirst(sender);
      expect(await sender.closed()).toBe('ended');
      expect(sender.received()).toMatch(/^HTTP\/1\.1 403 [^]*\r\n\r\npart$/);
      expect(subject.exchanges.log[0]?.end).toMatchObject({ kind: 'response_incomplete', uploading: true });
    },
  },
  {
    id: 'R35',
    fact: 'an answer of the gateway to an unread upload reaches a client that sends everything first',
    options: { limits: { bodyBytes: 1_000 } },
    run: async ({ client }) => {
      await isAnswered(await client(), 413);
    },
  },
  ...(['length', 'chunked'] as const).map((framing): Case => ({
    id: framing === 'length' ? 'R50' : 'R50b',
    fact: `an upload (${framing}) goes on after a whole answer, and the connections after the upload`,
    script: {},
    run: async (trial) => {
      const { origin, subject } = trial;
      const { sender, connection } = await answeredUpload(trial, framing);
      expect(subject.exchanges.log[0]?.end).toBeUndefined();
      expect(subject.engine.stats().exchanges).toBe(1);
      sender.send(framing === 'length' ? 'other' : '\r\na\r\nother');
      await eventually(() => {
        expect(connection.received()).toContain('other');
      });
      // The next request is there already, and waits.
      sender.send(`third${framing === 'length' ? '' : '\r\n0\r\n\r\n'}${message('GET /next')}`);
      await eventually(() => {
        expect(connection.requests().map(({ target }) => target)).toEqual(['/', '/next']);
      });
      expect(connection.requests()[0]?.body).toBe('firstotherthird');
      connection.write(accepted);
      expect((await sender.response()).status).toBe(202);
      expect(origin.connections).toHaveLength(1);
      await eventually(() => {
        expect(subject.exchanges.log.map(({ end }) => end?.kind)).toEqual(['complete', 'complete']);
      });
      expect(subject.exchanges.log[0]?.end).toEqual({ kind: 'complete', requestBytes: 15, responseBytes: 2 });
    },
  })),
  {
    id: 'R50c',
    fact: 'an instance that closes after its answer ends the rest of the upload and the connection of its client',
    script: {},
    run: async (trial) => {
      const { sender, connection } = await answeredUpload(trial);
      connection.end();
      sender.send('other');
      expect(await sender.closed()).toBe('ended');
      expect(trial.subject.exchanges.log[0]?.failures).toEqual([]);
      expect(trial.subject.exchanges.log[0]?.end).toMatchObject({ kind: 'complete', responseBytes: 2 });
    },
  },
  {
    id: 'R50g',
    fact: 'a stop waits for an upload that goes on after its answer',
    script: {},
    run: async (trial) => {
      const { sender, connection } = await answeredUpload(trial);
      const stopping = trial.subject.stop(10_000);
      sender.send('othersthir');
      expect(await stopping).toBe(0);
      expect(connection.requests()[0]?.body).toBe('firstothersthir');
      expect(await sender.closed()).toBe('ended');
    },
  },
  {
    id: 'R50d',
    fact: 'a client that leaves after its answer, in the middle of its upload, ends the request to the instance',
    script: {},
    run: async (trial) => {
      const { sender } = await answeredUpload(trial);
      sender.destroy();
      await eventually(() => {
        expect(trial.origin.open()).toBe(0);
      });
      expect(trial.origin.requests()).toEqual([]);
      expect(trial.subject.exchanges.log[0]?.end).toMatchObject({ kind: 'complete', requestBytes: 5 });
    },
  },
  {
    id: 'R50e',
    fact: 'a client that has its answer and sends nothing more of its upload is cut after the idle time',
    options: { timeouts: { idleMs: 200 } },
    script: {},
    run: async (trial) => {
      const { sender } = await answeredUpload(trial);
      expect(await sender.closed()).toBe('ended');
      await eventually(() => {
        expect(trial.origin.open()).toBe(0);
      });
      expect(trial.subject.exchanges.log[0]?.end?.kind).toBe('complete');
    },
  },
  {
    id: 'R50f',
    fact: 'an instance that says close with its answer gets no more of the upload, and the client hears of it',
    script: answersAtOnce(refused),
    run: async ({ client, origin, subject }) => {
      const sender = await client();
      sender.send(upload(15));
      const response = await sender.response();
      expect([response.status, valuesOf(response, 'connection')]).toEqual([401, ['close']]);
      sender.send('other');
      expect(await sender.closed()).toBe('ended');
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
      expect(origin.requests()).toEqual([]);
      expect(subject.exchanges.log[0]?.end?.kind).toBe('complete');
    },
  },
];

/** Statements about answers that come before the end of their request. */
export function earlyAnswerCases(): readonly Case[] {
  return cases;
}
