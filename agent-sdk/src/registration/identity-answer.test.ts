import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { fastify } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { openRawClient } from '../../../test/kit/raw-client.ts';
import { identityPath, readIdentityAnswer } from '../discovery/identity.ts';

import { systemClock } from './clock.ts';
import { ConnectionDrain } from './drain.ts';
import { answerIdentity } from './identity-answer.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function dial(port: number) {
  const client = await openRawClient(port);
  ends.push(() => {
    client.destroy();
  });
  return client;
}

const question = `GET ${identityPath} HTTP/1.1\r\nHost: x\r\n\r\n`;
const wish = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
const tellsPath: RequestListener = (request, response) => response.end(request.url);

describe('the identity answer', () => {
  it('comes before the application’s, on a connection that then serves requests', async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.url);
      response.end('app');
    });
    expect(answerIdentity(server, 'api-1')).toBeDefined();
    const client = await dial(await listen(server));
    client.send(question);
    await eventually(() => {
      expect(readIdentityAnswer(client.received(), 'api-1')).toBe('match');
    });
    expect(readIdentityAnswer(client.received(), 'api-2')).toBe('mismatch');
    await client.response();
    client.send(wish);
    expect((await client.response()).body).toBe('app');
    expect(seen).toEqual(['/x']);
  });

  it('comes on a server that listens already and has answered before', async () => {
    const server = createServer(tellsPath);
    const client = await dial(await listen(server));
    client.send(question);
    expect((await client.response()).body).toBe(identityPath);
    answerIdentity(server, 'api-1');
    client.send(question);
    expect((await client.response()).status).toBe(204);
  });

  it('comes in front of Fastify and its hooks', async () => {
    let hooked = 0;
    const app = fastify();
    app.addHook('onRequest', (_request, _reply, done) => {
      hooked += 1;
      done();
    });
    answerIdentity(app.server, 'api-1');
    await app.listen({ port: 0, host: '127.0.0.1' });
    const client = await dial((app.server.address() as AddressInfo).port);
    client.send(question);
    expect((await client.response()).status).toBe(204);
    expect(hooked).toBe(0);
    client.destroy();
    await app.close();
  });

  it.each([
    ['another method', question.replace('GET', 'POST')],
    ['a query', question.replace('instance ', 'instance?x ')],
    ['another path', question.replace('instance ', 'instances ')],
  ])('is not given to %s', async (_what, text) => {
    const server = createServer((_request, response) => response.end('app'));
    answerIdentity(server, 'api-1');
    const client = await dial(await listen(server));
    client.send(text);
    expect((await client.response()).status).toBe(200);
  });

  it('keeps its place among pipelined requests', async () => {
    const server = createServer((request, response) => {
      setImmediate(() => response.end(request.url));
    });
    answerIdentity(server, 'api-1');
    const client = await dial(await listen(server));
    client.send(wish + question + wish);
    const answers = [await client.response(), await client.response(), await client.response()];
    expect(answers.map(({ status }) => status)).toEqual([200, 204, 200]);
  });

  it('leaves upgrades and expectations to the application', async () => {
    const server = createServer(tellsPath);
    answerIdentity(server, 'api-1');
    const port = await listen(server);
    const plain = await dial(port);
    plain.send('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    // Node serves an upgrade as a plain request as long as there is no listener for upgrades.
    expect((await plain.response()).status).toBe(200);
    const careful = await dial(port);
    careful.send('POST /y HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    expect((await careful.response()).status).toBe(100);
    careful.send('ab');
    expect((await careful.response()).status).toBe(200);
  });

  it('keeps the connection while the application drains, and counts as none of its requests', async () => {
    const server = createServer(tellsPath);
    answerIdentity(server, 'api-1');
    const drain = new ConnectionDrain(server, systemClock);
    const client = await dial(await listen(server));
    drain.disableKeepAlive();
    client.send(question);
    await eventually(() => {
      expect(readIdentityAnswer(client.received(), 'api-1')).toBe('match');
    });
    await client.response();
    // A client that has just got the identity may still send the request that follows.
    const finished = drain.finish(5_000, () => Promise.resolve());
    client.send(wish);
    expect((await client.response()).fields).toContainEqual(['Connection', 'close']);
    expect(await finished).toBe(0);
  });

  it('is one per server, until it is released', async () => {
    const server = createServer(tellsPath);
    const first = answerIdentity(server, 'api-1');
    expect(answerIdentity(server, 'web-1')).toBeUndefined();
    first?.release();
    const client = await dial(await listen(server));
    client.send(question);
    expect((await client.response()).status).toBe(200);
    expect(answerIdentity(server, 'web-1')).toBeDefined();
    first?.release();
    client.send(question);
    expect((await client.response()).fields).toContainEqual(['Roundhouse-Instance', 'web-1']);
  });

  it('is not promised where there is no server, or one that takes one request per connection', () => {
    expect(answerIdentity(undefined, 'api-1')).toBeUndefined();
    const server = createServer();
    server.maxRequestsPerSocket = 1;
    expect(answerIdentity(server, 'api-1')).toBeUndefined();
  });
});
