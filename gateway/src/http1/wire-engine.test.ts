import { describe, expect, it, onTestFinished, vi } from 'vitest';

import type { ExchangeScript, ScriptedExchanges } from '../../../test/conformance/scripted-exchanges.ts';
import { startSubject } from '../../../test/conformance/subject.ts';
import { eventually } from '../../../test/kit/eventually.ts';
import { openRawClient } from '../../../test/kit/raw-client.ts';
import { answering, rawPeer, type RawPeer } from '../../../test/kit/raw-peer.ts';
import { startRecordingOrigin } from '../../../test/kit/recording-origin.ts';
import type { Engine } from '../listeners/engine.ts';
import type { ListenerLimits } from '../http/limits.ts';
import type { AttemptTimeouts } from '../routing/policy.ts';
import { TimeoutWheel } from '../sockets/timeout-wheel.ts';

const limits: ListenerLimits = {
  requestHeadMs: 2000,
  keepAliveMs: 5000,
  headBytes: 16_384,
  headLines: 100,
  bodyBytes: 0,
  connections: 1000,
  connectionsPerAddress: 0,
  memoryBytes: 0,
  minBytesPerSecond: 0,
  paceMs: 1_000,
};

/** An instance that does only what a test has it do. */
interface RawOrigin {
  readonly port: number;
  /** Every connection it has accepted, in order. */
  readonly connections: readonly RawPeer[];
  /** Resolves with connection number `index` once it is there. */
  connection(index: number): Promise<RawPeer>;
}

/** `serve` is called for each connection, and may answer by itself. */
async function rawOrigin(serve: (peer: RawPeer) => void = () => undefined): Promise<RawOrigin> {
  const connections: RawPeer[] = [];
  const origin = await startRecordingOrigin({
    connected: ({ socket }) => {
      const peer = rawPeer(socket);
      connections.push(peer);
      serve(peer);
    },
    ended: () => undefined,
  });
  onTestFinished(() => origin.close());
  return {
    port: origin.port,
    connections,
    connection: (index) =>
      eventually(() => {
        const peer = connections[index];
        if (peer === undefined) throw new Error(`no connection ${String(index)}`);
        return peer;
      }),
  };
}

interface Rig {
  readonly engine: Engine;
  readonly exchanges: ScriptedExchanges;
  readonly origin: RawOrigin;
  client(): Promise<RawPeer>;
}

interface RigOptions {
  /** Where attempts go; to the rig's own origin otherwise. */
  readonly ports?: readonly number[];
  readonly limits?: Partial<ListenerLimits>;
  readonly timeouts?: Partial<AttemptTimeouts>;
  readonly poolIdleMs?: number;
  readonly script?: ExchangeScript;
}

async function rig(serve?: (peer: RawPeer) => void, options: RigOptions = {}): Promise<Rig> {
  const origin = await rawOrigin(serve);
  const { ports = [origin.port], ...rest } = options;
  const { engine, exchanges, faults, port } = await startSubject('wire', ports, {
    ...rest,
    limits: { ...limits, ...options.limits },
    timeouts: { connectMs: 1_000, responseHeadMs: 5_000, idleMs: 5_000, ...options.timeouts },
  });
  const clients: RawPeer[] = [];
  onTestFinished(async () => {
    for (const { socket } of clients) socket.destroy();
    await engine.stop(0);
    expect(engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
    for (const { end } of exchanges.log) expect(end).toBeDefined();
    expect(faults.filter((fault) => !(fault instanceof Error) || fault.message !== 'a mistake')).toEqual([]);
  });
  return {
    engine,
    exchanges,
    origin,
    client: async () => {
      const client = await openRawClient(port);
      clients.push(client);
      return client;
    },
  };
}

const get = 'GET /a?b HTTP/1.1\r\nHost: x\r\nX-Odd: \xe9 \t y\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';

describe('requests and responses', () => {
  it('pass byte for byte in their one canonical form', async () => {
    const { client, origin } = await rig(
      answering('HTTP/1.1 200 Fine \xfc\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 02\r\n\r\nhi'),
    );
    const c = await client();
    c.send(get);
    expect(await c.until('hi')).toBe(
      'HTTP/1.1 200 Fine \xfc\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 2\r\n\r\nhi',
    );
    expect(origin.connections[0]?.received()).toBe(get);
  });

  it('reuse connections on both sides', async () => {
    const { client, origin } = await rig(answering(ok));
    const c = await client();
    for (let i = 0; i < 5; i += 1) {
      c.forget();
      c.send(get);
      await c.until('hi');
    }
    expect(origin.connections).toHaveLength(1);
  });

  it('are answered in order when pipelined, one exchange at a time', async () => {
    const { client, origin } = await rig(
      answering((r) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${r.slice(5, 7)}`),
    );
    const c = await client();
    const targets = Array.from({ length: 50 }, (_, i) => String(i + 10));
    c.send(targets.map((t) => `GET /${t} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    const text = await c.until('\r\n59');
    expect([...text.matchAll(/\r\n\r\n(\d\d)/g)].map((m) => m[1])).toEqual(targets);
    expect(origin.connections).toHaveLength(1);
  });

  it('arrive whole when split at every byte', async () => {
    const { client, origin } = await rig(answering(ok));
    const c = await client();
    for (const byte of get) {
      c.send(byte);
      await new Promise(setImmediate);
    }
    await c.until('hi');
    expect(origin.connections[0]?.received()).toBe(get);
  });

  it('carry a small body in the same write and a large one streamed', async () => {
    const { client, origin, exchanges } = await rig();
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello');
    const o = await origin.connection(0);
    await o.until('hello');
    o.send(ok);
    await c.until('hi');
    o.forget();
    const body = 'x'.repeat(1_000_000);
    c.send(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`);
    await o.until((text) => text.length >= body.length);
    c.forget();
    o.send(ok);
    await c.until('hi');
    expect(o.received()).toBe(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${body}`);
    expect(exchanges.log[1] && [exchanges.log[1].end]).toEqual([
      { kind: 'complete', requestBytes: body.length, responseBytes: 2 },
    ]);
  });

  it.each(['GET', 'DELETE', 'OPTIONS', 'POST', 'HEAD'])(
    'keep a chunked %s chunked, without its extensions',
    async (method) => {
      const { client, origin } = await rig();
      const c = await client();
      c.send(
        `${method} / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n005;a="b"\r\nhello\r\n3\r\nabc\r\n0;z\r\nT: u\r\n\r\n`,
      );
      const o = await origin.connection(0);
      await o.until('0\r\n\r\n');
      expect(o.received()).toBe(
        `${method} / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n`,
      );
    },
  );

  it('relay large responses whole under backpressure', async () => {
    const body = Buffer.alloc(20_000_000, 'abcdefghijklmnopqrstuvw');
    const { client, origin, engine } = await rig((peer) => {
      peer.socket.once('data', () => {
        peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\n\r\n`);
        peer.send(body);
      });
    });
    const c = await client();
    c.socket.pause();
    c.send(get);
    const o = await origin.connection(0);
    await eventually(() => {
      if (o.socket.writableLength === 0 || o.socket.bytesWritten === 0) throw new Error('not blocked yet');
    });
    c.socket.resume();
    await c.until((text) => text.length >= body.length + 40);
    expect(c.received().slice(c.received().indexOf('\r\n\r\n') + 4) === body.toString('latin1')).toBe(true);
    expect(engine.stats().exchanges).toBe(0);
  });
});

describe('what is refused', () => {
  it.each([
    ['GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', 400],
    ['GET / HTTP/1.1\nHost: x\n\n', 400],
    ['GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', 400],
    ['GET  / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
    ['GET /\r\n\r\n', 400],
    ['G\xe9T / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
    ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ,chunked\r\n\r\n', 400],
    ['POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n', 400],
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 400],
    [`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(101)}\r\n`, 431],
  ])('%j is answered with %i, and the connection ends', async (request, status) => {
    const { client, origin } = await rig();
    const c = await client();
    c.send(`${request}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`);
    const text = await c.ended();
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} [^]*\\r\\nConnection: close\\r\\n`));
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(origin.connections).toHaveLength(0);
  });

  it('a declared length over the limit is 413 before any attempt; an undeclared one when it is counted', async () => {
    const { client, origin, exchanges } = await rig(undefined, { limits: { bodyBytes: 10 } });
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n');
    expect(await c.ended()).toMatch(/^HTTP\/1.1 413 /);
    expect(origin.connections).toHaveLength(0);
    const d = await client();
    d.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n');
    expect(await d.ended()).toMatch(/^HTTP\/1.1 413 /);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'content_too_large', sent: 'body', connection: 'fresh' },
    ]);
    expect(await (await origin.connection(0)).ended()).not.toContain('0\r\n\r\n');
  });

  it('a faulty chunk ends the exchange with 400 and the connection to the instance', async () => {
    const { client, origin } = await rig();
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    const o = await origin.connection(0);
    await o.until('hello');
    c.send('0x5\r\nhello\r\n0\r\n\r\n');
    expect(await c.ended()).toMatch(/^HTTP\/1.1 400 /);
    await o.ended();
    expect(o.received()).not.toContain('0\r\n\r\n');
  });

  it('slow heads are answered with 408 though bytes keep coming, silent connections just closed', async () => {
    const { client } = await rig(undefined, { limits: { requestHeadMs: 100 } });
    const silent = await client();
    const slow = await client();
    const drip = setInterval(() => {
      if (slow.socket.writable) slow.send('G');
    }, 10);
    expect(await slow.ended()).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
    expect(await silent.ended()).toBe('');
  });

  it('a second head that drips line by line has no more time than the first', async () => {
    const { client } = await rig(answering(ok), { limits: { requestHeadMs: 200 } });
    const c = await client();
    c.send(get);
    await c.until('hi');
    c.forget();
    c.send('GET / HTTP/1.1\r\n');
    const began = performance.now();
    const drip = setInterval(() => {
      if (c.socket.writable) c.send('A: b\r\n');
    }, 50);
    expect(await c.ended()).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('what is left of a head when the client has ended its side is not waited for', async () => {
    const { client, origin } = await rig(undefined, { limits: { requestHeadMs: 60_000 } });
    const c = await client();
    c.send(`${get}GET /hal`);
    c.socket.end();
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    o.send(ok);
    expect(await c.ended()).toContain('hi');
  });

  it('a body that stalls is answered with 408', async () => {
    const { client, origin } = await rig(undefined, { timeouts: { idleMs: 100 } });
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nsome');
    const o = await origin.connection(0);
    expect(await c.ended()).toMatch(/^HTTP\/1.1 408 /);
    await o.ended();
  });

  it('connections over the limit are closed at once', async () => {
    const { client } = await rig(answering(ok), { limits: { connections: 1 } });
    const first = await client();
    first.send(get);
    await first.until('hi');
    const second = await client();
    expect(await second.ended()).toBe('');
  });
});

describe('responses', () => {
  it.each([
    ['HTTP/1.1 099 No\r\n\r\n', 502],
    ['HTTP/1.1 600 No\r\n\r\n', 502],
    ['HTTP/2 200 OK\r\n\r\n', 502],
    ['garbage\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi', 502],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n', 502],
    ['HTTP/1.1 200 OK\nA: b\n\n', 502],
    [`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, 502],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(1_000_000)}\r\n\r\n`, 502],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 502],
    ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(40), 502],
  ])('%.60j are answered with %i and their connection is dropped', async (response, status) => {
    const { client, origin } = await rig(answering(response));
    const c = await client();
    c.send(get);
    await c.until((text) => text.includes(`HTTP/1.1 ${String(status)} `));
    await (await origin.connection(0)).ended();
    c.forget();
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 204 \r\n\r\n'],
    ['GET', 'HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n'],
    [
      'GET',
      'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n',
      'HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    ],
  ])('to %s %j reach the client as %j and both connections live on', async (method, response, expected) => {
    const { client, origin } = await rig(answering(response));
    const c = await client();
    for (let i = 0; i < 3; i += 1) {
      c.forget();
      c.send(get.replace('GET', method));
      expect(await c.until((text) => text.length >= expected.length)).toBe(expected);
    }
    expect(origin.connections).toHaveLength(1);
  });

  it('with bytes behind their end lose their connection, and the bytes go nowhere', async () => {
    const { client, origin } = await rig(
      answering(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`),
    );
    const c = await client();
    c.send(get);
    await c.until('hi');
    c.send(get);
    await c.until(/hi[^]*hi/);
    expect(c.received()).not.toContain('poison');
    expect(origin.connections).toHaveLength(2);
  });

  it('that nobody asked for drop an idle connection', async () => {
    const { client, origin, engine } = await rig(answering(ok));
    const c = await client();
    c.send(get);
    await c.until('hi');
    origin.connections[0]?.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
    await eventually(() => {
      expect(engine.stats().upstreamConnections).toBe(0);
    });
    c.send(get);
    await c.until(/hi[^]*hi/);
    expect(c.received()).not.toContain('poison');
  });

  it('that end with the connection become chunks for HTTP/1.1 and stay so for HTTP/1.0', async () => {
    const serve = (peer: RawPeer): void => {
      peer.socket.once('data', () => {
        peer.send('HTTP/1.0 200 OK\r\n\r\nab');
        peer.socket.end();
      });
    };
    const { client } = await rig(serve);
    const c = await client();
    c.send(get);
    expect(await c.until('0\r\n\r\n')).toBe(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    );
    const old = await client();
    old.send('GET / HTTP/1.0\r\n\r\n');
    expect(await old.ended()).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab');
    expect(old.state()).toBe('ended');
  });

  it('that are chunked lose their chunks for HTTP/1.0', async () => {
    const { client } = await rig(
      answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x\r\ncde\r\n0\r\n\r\n'),
    );
    const c = await client();
    c.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(await c.ended()).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde');
  });

  it.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nabc', 'HTTP/1.1', 'ended'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc', 'HTTP/1.1', 'ended'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x', 'HTTP/1.1', 'ended'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', 'HTTP/1.0', 'reset'],
  ])('cut short as in %j never look finished to %s', async (response, version, end) => {
    const { client, exchanges } = await rig((peer) => {
      peer.socket.once('data', () => {
        peer.send(response);
        peer.socket.end();
      });
    });
    const c = await client();
    c.send(get.replace('HTTP/1.1', version));
    const text = await c.ended();
    expect(text).not.toContain('0\r\n\r\n');
    expect(c.state()).toBe(end);
    await eventually(() => {
      expect(exchanges.log[0]?.end?.kind).toBe('response_incomplete');
    });
  });

  it('with trailers keep those that the client wants and may have', async () => {
    const response =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 9\r\nSet-Cookie: a\r\n\r\n';
    const { client, origin } = await rig(answering(response));
    const c = await client();
    c.send('GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n');
    expect(await c.until(/0\r\n[^]*\r\n\r\n$/)).toMatch(/hi\r\n0\r\nGrpc-Status: 0\r\n\r\n$/);
    expect(origin.connections[0]?.received()).toContain('Connection: TE\r\nTE: trailers\r\n');
    c.forget();
    c.send(get);
    expect(await c.until('0\r\n')).toMatch(/hi\r\n0\r\n\r\n$/);
  });

  it('that are interim pass to HTTP/1.1 clients only', async () => {
    const response = `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 \r\n\r\n${ok}`;
    const { client } = await rig(answering(response));
    const c = await client();
    c.send(get);
    expect(await c.until('hi')).toBe(response);
    const old = await client();
    old.send('GET / HTTP/1.0\r\n\r\n');
    expect(await old.ended()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  });
});

describe('uploads', () => {
  it('wait for the 100 of the instance', async () => {
    const { client, origin } = await rig();
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    expect(o.received()).toContain('Expect: 100-continue\r\n');
    o.send('HTTP/1.1 100 Continue\r\n\r\n');
    await c.until('100 Continue');
    c.send('hello');
    await o.until('hello');
    o.send(ok);
    expect(await c.until('hi')).toBe(`HTTP/1.1 100 Continue\r\n\r\n${ok}`);
  });

  it('that are refused get the answer at once and the connection ends, without a reset', async () => {
    const { client, origin } = await rig((peer) => {
      peer.socket.once('data', () => {
        peer.send('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      });
    });
    const c = await client();
    c.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n${'x'.repeat(100_000)}`);
    for (let i = 0; i < 20; i += 1) c.send('y'.repeat(100_000));
    expect(await c.ended()).toBe('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    expect(c.state()).toBe('ended');
    await (await origin.connection(0)).ended();
  });

  it('stream both ways at once', async () => {
    const { client, origin } = await rig();
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n');
    const o = await origin.connection(0);
    await o.until('ab');
    o.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n');
    await c.until('ab');
    c.send('2\r\ncd\r\n0\r\n\r\n');
    await o.until('cd\r\n0\r\n\r\n');
    o.send('2\r\ncd\r\n0\r\n\r\n');
    await c.until('cd\r\n0\r\n\r\n');
    c.forget();
    c.send(get);
    await o.until('GET /a?b');
    o.send(ok);
    await c.until('hi');
    expect(origin.connections).toHaveLength(1);
  });

  it('of a client that leaves are reset, never completed', async () => {
    const { client, origin, exchanges } = await rig();
    const c = await client();
    c.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello');
    const o = await origin.connection(0);
    await o.until('hello');
    c.socket.end();
    await o.ended();
    expect(o.state()).toBe('reset');
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'client_closed', sent: 'head', connection: 'fresh' },
    ]);
    expect(exchanges.log[0]?.end?.kind).toBe('client_closed');
  });
});

describe('failures', () => {
  it('of a reused connection before the first byte tell that it was reused', async () => {
    let requests = 0;
    const { client, exchanges, origin } = await rig((peer) => {
      peer.socket.on('data', () => {
        requests += 1;
        if (requests === 2) peer.socket.resetAndDestroy();
        else peer.send(ok);
      });
    });
    const c = await client();
    c.send(get);
    await c.until('hi');
    c.send(get);
    await c.until(/hi[^]*hi/);
    expect(exchanges.log[1]?.failures).toEqual([
      { code: 'upstream_reset', sent: 'head', connection: 'reused' },
    ]);
    expect(origin.connections).toHaveLength(2);
  });

  it('to connect send nothing, so that even a body can go elsewhere', async () => {
    const dead = await startRecordingOrigin();
    await dead.close();
    const origin = await rawOrigin((peer) => {
      peer.socket.on('data', () => {
        if (peer.received().endsWith('z')) peer.send(ok);
      });
    });
    const { client, exchanges } = await rig(undefined, { ports: [dead.port, origin.port] });
    const c = await client();
    const body = `${'y'.repeat(200_000)}z`;
    c.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`);
    await c.until('hi');
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'connect_refused', sent: 'nothing', connection: 'fresh' },
    ]);
    expect(origin.connections[0]?.received().endsWith(body)).toBe(true);
  });

  it('to answer in time are told apart from resets', async () => {
    const { client, exchanges } = await rig(undefined, { timeouts: { responseHeadMs: 50 } });
    const c = await client();
    c.send(get);
    await c.until('504');
    expect(exchanges.log[0]?.failures[0]?.code).toBe('upstream_timeout');
  });

  it('in an impossible address are connection failures', async () => {
    const { client, exchanges } = await rig(undefined, { ports: [70_000] });
    const c = await client();
    c.send(get);
    await c.until('502');
    expect(exchanges.log[0]?.failures[0]?.code).toBe('connect_failed');
  });

  it('of the exchange itself end this exchange only', async () => {
    const { client } = await rig(answering(ok), {
      script: {
        begin: (head) => {
          if (head.target === '/broken') throw new Error('a mistake');
          return undefined;
        },
      },
    });
    const c = await client();
    c.send('GET /broken HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await c.ended()).toMatch(/^HTTP\/1.1 500 /);
    const d = await client();
    d.send(get);
    await d.until('hi');
  });
});

it('a short body that nobody reads is passed over, and the next request served', async () => {
  const { client } = await rig(answering(ok), {
    script: {
      begin: ({ target }) =>
        target === '/no'
          ? { kind: 'answer', status: 404, fields: [], body: 'no', connection: 'keep' }
          : undefined,
    },
  });
  const c = await client();
  c.send('POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe');
  await c.until('no');
  c.send(`llo${get}`);
  expect(await c.until('hi')).not.toContain('Connection: close');
});

describe('clients that leave', () => {
  it.each(['waiting', 'streaming'])('while %s end the request upstream', async (phase) => {
    const { client, origin } = await rig();
    const c = await client();
    c.send(get);
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    if (phase === 'streaming') {
      o.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
      await c.until('data: 1');
    }
    c.socket.resetAndDestroy();
    await o.ended();
  });

  it('only for sending still get their answer', async () => {
    const { client, origin } = await rig();
    const c = await client();
    c.send(get);
    c.socket.end();
    const o = await origin.connection(0);
    o.send(ok);
    expect(await c.ended()).toBe(ok);
    expect(c.state()).toBe('ended');
  });
});

describe('tunnels', () => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n';
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  it('open only after a matching 101, hold what comes before it, and pass each half-close', async () => {
    const { client, origin, exchanges } = await rig();
    const c = await client();
    c.send(`${upgrade}early`);
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    expect(o.received()).not.toContain('early');
    o.send(`${switching}first`);
    await c.until('first');
    expect(c.received()).toBe(`${switching}first`);
    await o.until('early');
    c.socket.end();
    await eventually(() => {
      expect(o.state()).toBe('ended');
    });
    o.send('late');
    await c.until('late');
    o.socket.end();
    await c.ended();
    expect(c.state()).toBe('ended');
    await eventually(() => {
      expect(exchanges.log[0]?.end).toEqual({ kind: 'complete', requestBytes: 5, responseBytes: 9 });
    });
  });

  it.each(['client', 'instance'])('end on the other side when the %s resets', async (side) => {
    const { client, origin } = await rig();
    const c = await client();
    c.send(upgrade);
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    o.send(switching);
    await c.until('101');
    (side === 'client' ? c : o).socket.resetAndDestroy();
    await (side === 'client' ? o : c).ended();
  });

  it('end when both sides fall silent', async () => {
    const { client, origin } = await rig(answering(switching), { timeouts: { idleMs: 60 } });
    const c = await client();
    c.send(upgrade);
    await c.ended();
    await (await origin.connection(0)).ended();
  });

  it('do not open on a refusal, which is relayed', async () => {
    const { client, origin } = await rig(
      answering('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno'),
    );
    const c = await client();
    c.send(upgrade);
    await c.until('no');
    c.send(upgrade);
    await c.until(/no[^]*no/);
    expect(origin.connections).toHaveLength(1);
  });
});

describe('the end', () => {
  it('discourage marks every answer, and leaves idle connections to stop', async () => {
    const { client, engine, origin } = await rig();
    const idle = await client();
    idle.send(get);
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    o.send(ok);
    await idle.until('hi');
    const busy = await client();
    busy.send(get);
    await o.until(/a\?b[^]*a\?b/);
    engine.disableKeepAlive();
    o.send(ok);
    expect(await busy.ended()).toContain('Connection: close\r\n');
    expect(idle.state()).toBe('open');
    void engine.stop(200);
    await idle.ended();
  });

  it('discourage still accepts', async () => {
    const { client, engine, origin } = await rig();
    engine.disableKeepAlive();
    const late = await client();
    late.send(get);
    const o = await origin.connection(0);
    await o.until('\r\n\r\n');
    o.send(ok);
    expect(await late.ended()).toContain('Connection: close\r\n');
  });

  it('stop waits for exchanges, and counts those it has to cut', async () => {
    const { client, engine, origin, exchanges } = await rig();
    const finishing = await client();
    const hanging = await client();
    finishing.send(get);
    hanging.send(get);
    const first = await origin.connection(0);
    await first.until('\r\n\r\n');
    await (await origin.connection(1)).until('\r\n\r\n');
    const stopped = engine.stop(200);
    first.send(ok);
    expect(await stopped).toBe(1);
    expect(exchanges.log.map(({ end }) => end?.kind).sort()).toEqual(['complete', 'shutdown']);
    expect(engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
  });

  it('of an exchange takes its limits off the wheel, and that of a connection its own', async () => {
    const arm = vi.spyOn(TimeoutWheel.prototype, 'arm');
    onTestFinished(() => {
      arm.mockRestore();
      return Promise.resolve();
    });
    const timeouts = { tryMs: 60_000, totalMs: 60_000 };
    const { client, engine } = await rig(answering(ok), { timeouts, poolIdleMs: 100 });
    const c = await client();
    for (let i = 0; i < 20; i += 1) c.send(get);
    await c.until(/(?:hi[^]*){20}/);
    const wheel = arm.mock.contexts[0] as TimeoutWheel;
    // What is left is the client's and the pool's.
    expect(wheel.size).toBeLessThanOrEqual(2);
    c.socket.destroy();
    await eventually(() => {
      expect(engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
      expect(wheel.size).toBe(0);
    });
  });

  it('retain closes the idle connections of endpoints that are gone', async () => {
    const { client, engine, origin } = await rig(answering(ok));
    const c = await client();
    c.send(get);
    await c.until('hi');
    const key = `c/n/i${String(origin.port)}@127.0.0.1:${String(origin.port)}`;
    engine.closeIdleExcept(new Set([key]));
    expect(engine.stats().upstreamConnections).toBe(1);
    engine.closeIdleExcept(new Set());
    await origin.connections[0]?.ended();
  });

  it('idle connections to instances are closed before the instance does it', async () => {
    const { client, engine, origin } = await rig(
      answering(ok.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=1\r\n\r\n')),
    );
    const c = await client();
    c.send(get);
    await c.until('hi');
    await origin.connections[0]?.ended();
    expect(engine.stats().upstreamConnections).toBe(0);
  });
});

it('1,000 clients that leave and 1,000 cut responses leave nothing behind', async () => {
  const { client, engine, origin } = await rig((peer) => {
    peer.socket.on('data', () => {
      if (peer.received().includes('/cut')) {
        peer.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
        peer.socket.destroy();
      }
    });
  });
  for (let round = 0; round < 20; round += 1) {
    const clients = await Promise.all(Array.from({ length: 100 }, client));
    clients.forEach((c, i) => {
      c.send(get.replace('/a', i % 2 === 0 ? '/cut' : '/hang'));
    });
    // A reset right behind a request can look like the end of one direction.
    await eventually(() => {
      const hanging = origin.connections.filter((o) => o.received().includes('/hang')).length;
      expect(hanging).toBe((round + 1) * 50);
    });
    await Promise.all(clients.map(async (c, i) => (i % 2 === 0 ? c.ended() : c.socket.resetAndDestroy())));
    await eventually(() => {
      expect(engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
    });
  }
  await eventually(() => {
    expect(origin.connections.filter((o) => o.state() === 'open')).toHaveLength(0);
  });
}, 30_000);
