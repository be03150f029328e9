import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok, type OriginScript, type RecordingOrigin } from '../kit/recording-origin.ts';
import { startBareProxy } from './bare-proxy.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { type Subject, type SubjectOptions } from './subject.ts';
import { busyMachineMs } from './trial.ts';

/**
 * Why the package is used behind a rim: each defect is shown on the bare package first, then its absence in the engine. When a
 * test of the first kind fails, the package has changed and the rim may be reconsidered.
 */

async function bare(origin: RecordingOrigin): Promise<number> {
  const proxy = await startBareProxy(origin.port);
  onTestFinished(() => {
    proxy.close();
  });
  return proxy.port;
}

const ours = (origin: RecordingOrigin, options?: SubjectOptions): Promise<Subject> =>
  startEngine('http-proxy', [origin.port], options);

/** A gateway in a process of its own, whose death can be watched. */
async function bareProcess(originPort: number): Promise<{ child: ChildProcess; port: number }> {
  const program = `
    const proxy = require('http-proxy').createProxyServer({ target: 'http://127.0.0.1:${String(originPort)}' });
    const server = require('http').createServer((q, r) => proxy.web(q, r, {}, () => { r.writeHead(502); r.end(); }));
    server.listen(0, '127.0.0.1', () => process.send(server.address().port));`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

describe('a chunked body on a method that usually has none', () => {
  const request = (method: string): string =>
    `${method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(smuggled)}0\r\n\r\n`;

  it.each(['DELETE', 'OPTIONS'])('of %s becomes a second request behind the bare package', async (method) => {
    const origin = await startOrigin({});
    (await openClient(await bare(origin))).send(request(method));
    await eventually(() => {
      const received = origin.connections[0]?.received() ?? '';
      expect(received.toLowerCase()).toContain('content-length: 0\r\n');
      expect(received.endsWith(smuggled)).toBe(true);
    });
  });

  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PATCH', 'PROPFIND'])(
    'of %s stays a body behind the engine',
    async (method) => {
      const origin = await startOrigin();
      (await openClient((await ours(origin)).port)).send(request(method));
      const [forwarded, ...more] = await eventually(() => {
        expect(origin.requests()).toHaveLength(1);
        return origin.requests();
      });
      expect(forwarded?.body).toBe(smuggled);
      expect(valuesOf(forwarded!, 'transfer-encoding')).toEqual(['chunked']);
      expect(valuesOf(forwarded!, 'content-length')).toEqual([]);
      expect(more).toEqual([]);
    },
  );
});

describe('`Trailer` on a request without a body', () => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\nTrailer: x\r\n\r\n';

  it('ends the process of the bare package', async () => {
    const origin = await startOrigin();
    const { child, port } = await bareProcess(origin.port);
    const exit = once(child, 'exit');
    (await openClient(port)).send(request);
    expect(await exit).toEqual([1, null]);
  });

  it('is dropped by the engine', async () => {
    const origin = await startOrigin();
    const response = await rawExchange((await ours(origin)).port, request);
    expect(response.status).toBe(200);
    expect(valuesOf(origin.requests()[0]!, 'trailer')).toEqual([]);
  });
});

describe('a client that leaves', () => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

  it('leaves its upstream request running behind the bare package', async () => {
    const origin = await startOrigin({});
    const leaving = await openClient(await bare(origin));
    leaving.send(request);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    leaving.reset();
    const stillOpen = eventually(() => {
      expect(origin.open()).toBe(0);
    }, 500);
    await expect(stillOpen).rejects.toThrow();
  });

  it('ends its upstream request within 100 ms behind the engine', async () => {
    const origin = await startOrigin({});
    const subject = await ours(origin);
    const leaving = await openClient(subject.port);
    leaving.send(request);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    const leftAt = performance.now();
    leaving.reset();
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
    expect(performance.now() - leftAt).toBeLessThan(busyMachineMs);
    expect(subject.exchanges.log[0]?.failures).toEqual([
      { code: 'client_closed', sent: 'head', connection: 'fresh' },
    ]);
    expect(subject.exchanges.log[0]?.end?.kind).toBe('client_closed');
  });
});

describe('an instance that dies in the middle of its answer', () => {
  const script: OriginScript = {
    request: (_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      setTimeout(() => {
        connection.reset();
      }, 20);
      return undefined;
    },
  };

  it('leaves the client waiting behind the bare package', async () => {
    const origin = await startOrigin(script);
    const waiting = await openClient(await bare(origin));
    waiting.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await eventually(() => {
      expect(waiting.received()).toContain('half');
      expect(origin.open()).toBe(0);
    });
    await expect(waiting.closed(500)).rejects.toThrow('still open');
  });

  it('cuts the client visibly behind the engine', async () => {
    const origin = await startOrigin(script);
    const subject = await ours(origin);
    const cut = await openClient(subject.port);
    cut.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await cut.closed();
    expect(cut.received().endsWith('\r\n\r\nhalf')).toBe(true);
    expect(subject.exchanges.log[0]?.end).toEqual({
      kind: 'response_incomplete',
      requestBytes: 0,
      responseBytes: 4,
    });
  });
});

describe('fields that concern the connection only', () => {
  const request =
    'GET / HTTP/1.1\r\nHost: h\r\nConnection: close, x-private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\n' +
    'Proxy-Authorization: Basic c2VjcmV0\r\n\r\n';
  const names = ['x-private', 'keep-alive', 'te', 'proxy-authorization'];

  it('cross the bare package', async () => {
    const origin = await startOrigin();
    await rawExchange(await bare(origin), request);
    const [forwarded] = origin.requests();
    expect(names.filter((name) => valuesOf(forwarded!, name).length > 0)).toEqual(names);
  });

  it('are not brought back by the engine once the exchange has removed them', async () => {
    const origin = await startOrigin();
    await rawExchange((await ours(origin)).port, request);
    const [forwarded] = origin.requests();
    expect(forwarded?.fields).toEqual([
      ['Host', 'h'],
      ['Connection', 'TE'],
      ['TE', 'trailers'],
    ]);
  });
});

describe('several requests in a row', () => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

  it('cost the bare package a connection each', async () => {
    const origin = await startOrigin();
    const port = await bare(origin);
    for (let i = 0; i < 5; i += 1) await rawExchange(port, request);
    expect(origin.connections).toHaveLength(5);
  });

  it('share one connection behind the engine', async () => {
    const origin = await startOrigin();
    const { port } = await ours(origin);
    for (let i = 0; i < 5; i += 1) await rawExchange(port, request);
    expect(origin.connections).toHaveLength(1);
    expect(origin.requests()).toHaveLength(5);
  });
});

describe('an instance that never answers', () => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

  it('is waited for without end by the bare package', async () => {
    const origin = await startOrigin({});
    const waiting = await openClient(await bare(origin));
    waiting.send(request);
    await expect(waiting.response('GET', 700)).rejects.toThrow('no whole response');
  });

  it('ends in a 504 behind the engine, and its connection is closed', async () => {
    const origin = await startOrigin({});
    const { port } = await ours(origin, { timeouts: { responseHeadMs: 200 } });
    const startedAt = performance.now();
    expect((await rawExchange(port, request)).status).toBe(504);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
    expect(performance.now() - startedAt).toBeLessThan(600);
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
  });
});

describe('the status 099', () => {
  const script: OriginScript = { request: () => 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n' };
  const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

  it('ends the process of the bare package', async () => {
    const origin = await startOrigin(script);
    const { child, port } = await bareProcess(origin.port);
    const exit = once(child, 'exit');
    (await openClient(port)).send(request);
    expect(await exit).toEqual([1, null]);
  });

  it('becomes a 502 behind the engine', async () => {
    const origin = await startOrigin(script);
    const { port } = await ours(origin);
    expect((await rawExchange(port, request)).status).toBe(502);
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
  });
});

describe('more than 1,000 header lines', () => {
  const request = `GET / HTTP/1.1\r\nHost: h\r\n${'a: b\r\n'.repeat(999)}Transfer-Encoding: chunked\r\n\r\n${chunk(smuggled)}0\r\n\r\n`;

  it.skipIf(Number(process.versions.node.split('.')[0]) > 20)(
    'hide the framing from the bare package, which forwards the body as a second request (Node 20)',
    async () => {
      const origin = await startOrigin({});
      (await openClient(await bare(origin))).send(request);
      await eventually(() => {
        const received = origin.connections[0]?.received() ?? '';
        expect(received.toLowerCase()).not.toContain('transfer-encoding');
        expect(received.endsWith(smuggled)).toBe(true);
      });
    },
  );

  it('are refused by the engine with 431 before an instance is asked', async () => {
    const origin = await startOrigin({ request: () => ok() });
    const { port, exchanges } = await ours(origin);
    const response = await rawExchange(port, request);
    expect(response.status).toBe(431);
    expect(valuesOf(response, 'connection')).toEqual(['close']);
    expect(exchanges.refusals).toEqual(['fields_too_large']);
    expect(origin.connections).toHaveLength(0);
  });
});
