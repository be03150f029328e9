import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import type { RequestHandler } from './application.ts';
import { answerFailures } from './server-events.ts';

async function serve(...listeners: RequestHandler[]) {
  const failures: string[] = [];
  const server = createServer();
  for (const listener of listeners) server.on('request', listener);
  // A second registration of the same server replaces the first.
  answerFailures(server, () => failures.push('of another registration'));
  answerFailures(server, (error, { url }) => failures.push(`${url ?? ''} ${String(error)}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { failures, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

it('a handler that rejects or throws is answered 500 without what it had set, and the next request is served', async () => {
  const { url, failures } = await serve(async (request, response) => {
    response.setHeader('x-secret', '1');
    if (request.url === '/throw') throw new Error('thrown');
    await Promise.resolve();
    if (request.url === '/reject') throw new Error('rejected');
    response.end('fine');
  });
  for (const path of ['/throw', '/reject']) {
    const response = await fetch(url + path);
    expect([response.status, response.headers.get('x-secret')]).toEqual([500, null]);
  }
  expect(await (await fetch(url)).text()).toBe('fine');
  expect(failures).toEqual(['/throw Error: thrown', '/reject Error: rejected']);
});

it('a response that has begun is cut off, and one that has ended stays whole', async () => {
  const { url, failures } = await serve((request, response) => {
    if (request.url === '/ended') response.end('whole');
    else response.write('half');
    // A plain string, and a promise of another library.
    const reason: unknown = 'late';
    return { then: (_resolve: unknown, reject: (why: unknown) => void) => setImmediate(reject, reason) };
  });
  await expect(fetch(`${url}/begun`).then((response) => response.text())).rejects.toThrow();
  expect(await (await fetch(`${url}/ended`)).text()).toBe('whole');
  expect(failures).toEqual(['/begun late', '/ended late']);
});

it('every listener is called, also behind one that fails', async () => {
  const { url } = await serve(
    () => {
      throw new Error('first');
    },
    (_request, response) => {
      if (!response.writableEnded) response.end('second');
    },
  );
  expect((await fetch(url)).status).toBe(500);
});
