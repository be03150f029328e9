import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { openRawClient } from '../../../test/kit/raw-client.ts';

import { fetchHandler, type FetchHandler } from './fetch-handler.ts';
import { answerFailures } from './server-events.ts';

/** Serves a handler; what fails is in `failures`. */
async function serve(fetch: FetchHandler) {
  const failures: unknown[] = [];
  const server = createServer(fetchHandler({ fetch }));
  answerFailures(server, (error) => failures.push(error));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { port, failures, url: `http://127.0.0.1:${port}` };
}

const encoder = new TextEncoder();

/** A body that a test writes piece by piece, and whether its reader has left. */
function openBody() {
  const state = { isCancelled: false };
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
    },
    cancel() {
      state.isCancelled = true;
    },
  });
  return {
    body,
    state,
    write: (text: string) => {
      controller.enqueue(encoder.encode(text));
    },
    end: () => {
      controller.close();
    },
    fail: () => {
      controller.error(new Error('source failed'));
    },
  };
}

describe('a fetch-style handler', () => {
  it('gets the request and gives the response, every Set-Cookie included', async () => {
    const { url } = await serve(async (asked) => {
      const text = await asked.text();
      const headers = new Headers({
        'x-seen': `${asked.method} ${asked.url} ${asked.headers.get('x-in') ?? ''}`,
      });
      headers.append('set-cookie', 'a=1');
      headers.append('set-cookie', 'b=2');
      return new Response(text, { status: 201, headers });
    });
    const response = await fetch(`${url}//a/b?c=d`, {
      method: 'PUT',
      body: 'hello',
      headers: { 'x-in': 'yes' },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-seen')).toBe(`PUT ${url}//a/b?c=d yes`);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.text()).toBe('hello');
  });

  it('answers HEAD and 204 without a body', async () => {
    const { url } = await serve(({ method }) =>
      method === 'HEAD' ? new Response('not sent') : new Response(null, { status: 204 }),
    );
    expect(await (await fetch(url, { method: 'HEAD' })).text()).toBe('');
    expect((await fetch(url)).status).toBe(204);
  });

  it('streams both ways at once, and sends the head before there is a body', async () => {
    const { port } = await serve((asked) => new Response(asked.body));
    const outgoing = request({ port, host: '127.0.0.1', method: 'POST' });
    outgoing.flushHeaders();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.setEncoding('utf8');
    for (const text of ['one', 'two']) {
      outgoing.write(text);
      expect((await once(response, 'data')) as unknown[]).toEqual([text]);
    }
    outgoing.end();
    await once(response.resume(), 'end');
  });

  it('reads no more of a source than its client takes', async () => {
    let pulled = 0;
    const { port } = await serve(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            pull(controller) {
              pulled += 1;
              controller.enqueue(new Uint8Array(64 * 1024));
            },
          }),
        ),
    );
    const outgoing = request({ port, host: '127.0.0.1' }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.pause();
    let before = -1;
    await eventually(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const isStill = pulled === before;
      before = pulled;
      expect(isStill).toBe(true);
    });
    expect(pulled).toBeLessThan(1_000);
    outgoing.destroy();
  });

  it('is told by the signal that its client has left, and its body is cancelled', async () => {
    const bodies = openBody();
    const signals: AbortSignal[] = [];
    const { port, failures } = await serve(({ signal }) => {
      signals.push(signal);
      return new Response(bodies.body);
    });
    const outgoing = request({ port, host: '127.0.0.1' }).end();
    await once(outgoing, 'response');
    outgoing.on('error', () => undefined).destroy();
    await eventually(() => {
      expect(signals[0]?.aborted).toBe(true);
      expect(bodies.state.isCancelled).toBe(true);
    });
    expect(failures).toEqual([]);
  });

  it('has the body of its response cancelled when its client has left before that', async () => {
    const bodies = openBody();
    let isWaiting = false;
    const { port } = await serve(async ({ signal }) => {
      isWaiting = true;
      await once(signal, 'abort');
      return new Response(bodies.body);
    });
    const outgoing = request({ port, host: '127.0.0.1' }).end();
    outgoing.on('error', () => undefined);
    await eventually(() => {
      expect(isWaiting).toBe(true);
    });
    outgoing.destroy();
    await eventually(() => {
      expect(bodies.state.isCancelled).toBe(true);
    });
  });

  it('may stop with the reason of its signal, which is no failure', async () => {
    let isWaiting = false;
    const { port, failures } = await serve(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          isWaiting = true;
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
            isWaiting = false;
          });
        }),
    );
    const outgoing = request({ port, host: '127.0.0.1' }).on('error', () => undefined);
    outgoing.end();
    await eventually(() => {
      expect(isWaiting).toBe(true);
    });
    outgoing.destroy();
    await eventually(() => {
      expect(isWaiting).toBe(false);
    });
    expect(failures).toEqual([]);
  });

  it('does not abort after a complete response', async () => {
    const signals: AbortSignal[] = [];
    const { url } = await serve(({ signal }) => {
      signals.push(signal);
      return new Response('whole');
    });
    for (let count = 0; count < 2; count += 1) expect(await (await fetch(url)).text()).toBe('whole');
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('answers 500 where it rejects, throws or gives no response, and goes on', async () => {
    const { url, failures } = await serve(({ url: asked }) => {
      if (asked.endsWith('/throw')) throw new Error('thrown');
      if (asked.endsWith('/reject')) return Promise.reject(new Error('rejected'));
      return asked.endsWith('/nothing') ? (undefined as unknown as Response) : new Response('fine');
    });
    for (const path of ['/throw', '/reject', '/nothing']) expect((await fetch(url + path)).status).toBe(500);
    expect(await (await fetch(url)).text()).toBe('fine');
    expect(failures.map(String)).toEqual([
      'Error: thrown',
      'Error: rejected',
      'TypeError: The fetch handler gave no Response',
    ]);
  });

  it('cuts a response off whose body fails', async () => {
    const bodies = openBody();
    const { url, failures } = await serve(() => new Response(bodies.body));
    bodies.write('begun');
    const response = await fetch(url);
    bodies.fail();
    await expect(response.text()).rejects.toThrow();
    expect(failures.map(String)).toEqual(['Error: source failed']);
  });

  it('never sees what the Fetch API can’t express', async () => {
    const { port } = await serve(() => new Response('never'));
    for (const head of [
      'TRACE / HTTP/1.1\r\nHost: x',
      'GET / HTTP/1.1\r\nHost: a@b',
      'GET / HTTP/1.1\r\nHost: a/b',
    ]) {
      const client = await openRawClient(port);
      client.send(`${head}\r\n\r\n`);
      await eventually(() => {
        expect(client.received()).toMatch(/^HTTP\/1.1 400 /);
      });
      client.destroy();
    }
  });
});
