import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';

import {
  identityAnswer,
  identityPath,
  identityQuestion,
  type Instance,
} from '@roundhouse/agent-sdk/internal';
import { afterEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import type { ProbeQuestion, ProbeResult } from './probe.ts';
import { createProber, type ProberOptions } from './prober.ts';
import { fakeInstance, record, type Behaviour, type FakeInstance } from './testing/fake-instance.ts';

const fakes: FakeInstance[] = [];
afterEach(async () => {
  await Promise.all(fakes.splice(0).map((fake) => fake.stop()));
});

async function fake(...args: Parameters<typeof fakeInstance>): Promise<FakeInstance> {
  const started = await fakeInstance(...args);
  fakes.push(started);
  return started;
}

const resolves: LookupFunction = (_name, options, done) => {
  if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};

function probe(
  instance: Instance,
  question: Partial<ProbeQuestion> = {},
  options: Partial<ProberOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<ProbeResult> {
  const prober = createProber({
    identity: () => 'verify',
    lookup: resolves,
    loop: { lostMs: () => 0 },
    ...options,
  });
  return prober(instance, { kind: 'tcp', path: '/', timeoutMs: 2_000, ...question }, signal);
}

/** Answers who it is, and then `http` to whatever comes. */
function known(id: string, http = ''): Behaviour {
  return (socket, text) => {
    const requests = text.split('\r\n\r\n').length - 1;
    if (requests === 1) socket.write(identityAnswer(id));
    else socket.write(http);
  };
}

describe('a tcp probe', () => {
  it('is content with a connection where nobody can be asked', async () => {
    const instance = await fake();
    expect(await probe(record(instance.port))).toMatchObject({ kind: 'alive' });
    await eventually(() => {
      expect(instance.connections()).toBe(0);
    });
    expect(instance.received()).toBe('');
  });

  it('tells a refused connection', async () => {
    const instance = await fakeInstance();
    await instance.stop();
    expect(await probe(record(instance.port))).toEqual({ kind: 'dead', reason: 'connection refused' });
  });

  it('asks who answers, and believes only the right one', async () => {
    const instance = await fake(known('i1'));
    const listed = record(instance.port, { asked: true });
    expect(await probe(listed)).toMatchObject({ kind: 'alive' });
    expect(instance.received()).toBe(identityQuestion(listed));
    expect(await probe(record(instance.port, { asked: true, id: 'i2' }))).toEqual({
      kind: 'dead',
      reason: 'wrong instance: another process answers at its address',
    });
  });

  it.each<[string, Behaviour, string]>([
    [
      'another server',
      (socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n'),
      'another process answers at its address',
    ],
    ['garbage', (socket) => socket.write('220 mail ready\r\n\r\n'), 'another process answers at its address'],
    ['a closed connection', (socket) => socket.end(), 'the connection was closed where its id was expected'],
    ['a reset', (socket) => socket.resetAndDestroy(), 'connection reset'],
    ['endless talk', (socket) => socket.write('x'.repeat(5_000)), 'another process answers at its address'],
  ])('takes %s for a stranger', async (_name, behaviour, reason) => {
    const instance = await fake(behaviour);
    expect(await probe(record(instance.port, { asked: true }))).toEqual({
      kind: 'dead',
      reason: `wrong instance: ${reason}`,
    });
  });

  it('asks nobody when identity is off', async () => {
    const instance = await fake();
    expect(await probe(record(instance.port, { asked: true }), {}, { identity: () => 'off' })).toMatchObject({
      kind: 'alive',
    });
    expect(instance.received()).toBe('');
  });

  it('tells which step took too long', async () => {
    const mute = await fake();
    const never: LookupFunction = () => undefined;
    expect(await probe(record(mute.port, { asked: true }), { timeoutMs: 30 })).toEqual({
      kind: 'dead',
      reason: 'no word on who answers within 30 ms',
    });
    expect(await probe(record(1, { address: 'a.example' }), { timeoutMs: 30 }, { lookup: never })).toEqual({
      kind: 'dead',
      reason: 'no connection within 30 ms',
    });
  });

  it('reaches host names by the lookup it was given, and tells why it refuses', async () => {
    const instance = await fake();
    const named = record(instance.port, { address: 'a.example' });
    expect(await probe(named)).toMatchObject({ kind: 'alive' });
    const refuses: LookupFunction = (name, _options, done) => {
      done(Object.assign(new Error(`${name} is not connected to`), { code: 'ERR_X' }), '');
    };
    expect(await probe(named, {}, { lookup: refuses })).toEqual({
      kind: 'dead',
      reason: 'a.example is not connected to',
    });
  });
});

describe('an http probe', () => {
  it('gets the path over the connection on which it has asked who answers', async () => {
    const instance = await fake(known('i1', 'HTTP/1.1 204 No Content\r\n\r\n'));
    const listed = record(instance.port, { asked: true });
    expect(await probe(listed, { kind: 'http', path: '/health?deep=1' })).toMatchObject({ kind: 'alive' });
    expect(instance.accepted()).toBe(1);
    expect(instance.received()).toMatch(
      new RegExp(`^GET ${identityPath} .*\\r\\n\\r\\nGET /health\\?deep=1 HTTP/1\\.1\\r\\nHost: 127`, 's'),
    );
  });

  it.each<[string, Behaviour, unknown]>([
    ['200', (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'), { kind: 'alive' }],
    ['a redirect', (socket) => socket.write('HTTP/1.0 302 Found\r\n\r\n'), { kind: 'alive' }],
    [
      'hints before 200',
      (socket) => socket.write('HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200\r\n\r\n'),
      { kind: 'alive' },
    ],
    ['500', (socket) => socket.write('HTTP/1.1 500 Oh\r\n\r\n'), { kind: 'dead', reason: 'answered 500' }],
    ['101', (socket) => socket.write('HTTP/1.1 101 Go\r\n\r\n'), { kind: 'dead', reason: 'answered 101' }],
    [
      'garbage',
      (socket) => socket.write('SSH-2.0-OpenSSH_9\r\n'),
      { kind: 'dead', reason: 'answered with something that is not HTTP' },
    ],
    [
      'half a head',
      (socket) => socket.end('HTTP/1.1 200 OK\r\n'),
      { kind: 'dead', reason: 'the connection was closed without an answer' },
    ],
    ['nothing', () => undefined, { kind: 'dead', reason: 'no answer within 150 ms' }],
  ])('judges %s', async (_name, behaviour, result) => {
    const instance = await fake(behaviour);
    expect(await probe(record(instance.port), { kind: 'http', timeoutMs: 150 })).toMatchObject(
      result as object,
    );
    await eventually(() => {
      expect(instance.connections()).toBe(0);
    });
  });

  it('is understood by a server of Node', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/ok' && request.headers.host !== undefined ? 200 : 500;
      response.end('x'.repeat(100_000));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const listed = record((server.address() as AddressInfo).port);
    expect(await probe(listed, { kind: 'http', path: '/ok' })).toMatchObject({ kind: 'alive' });
    expect(await probe(listed, { kind: 'http', path: '/no' })).toMatchObject({ reason: 'answered 500' });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('a probe that says nothing', () => {
  it('was given up: before it began, or in the middle, and leaves no socket', async () => {
    const instance = await fake();
    const listed = record(instance.port, { asked: true });
    const givenUp = { kind: 'inconclusive', reason: 'cancelled' };
    expect(await probe(listed, {}, {}, AbortSignal.abort())).toEqual(givenUp);
    const ending = new AbortController();
    const result = probe(listed, {}, {}, ending.signal);
    await eventually(() => {
      expect(instance.received()).not.toBe('');
    });
    ending.abort();
    expect(await result).toEqual(givenUp);
    await eventually(() => {
      expect(instance.connections()).toBe(0);
    });
  });

  it('ran out of time while the gateway itself stalled', async () => {
    const instance = await fake();
    let lost = 500;
    const loop = {
      lostMs: () => (lost += 16),
    };
    expect(await probe(record(instance.port, { asked: true }), { timeoutMs: 30 }, { loop })).toEqual({
      kind: 'inconclusive',
      reason: 'the gateway stalled for 16 ms',
    });
  });

  it('failed for what the gateway lacks', async () => {
    const lacks: LookupFunction = (_name, _options, done) => {
      done(Object.assign(new Error('too many'), { code: 'EMFILE' }), '');
    };
    expect(await probe(record(1, { address: 'a.example' }), {}, { lookup: lacks })).toMatchObject({
      kind: 'inconclusive',
    });
  });
});

describe('a probe for a sign of life', () => {
  const life = { kind: 'life', path: '*' } as const;

  it('is content with the identity', async () => {
    const instance = await fake(known('i1'));
    const listed = record(instance.port, { asked: true });
    expect(await probe(listed, life)).toEqual({ kind: 'alive' });
    expect(instance.received()).toBe(identityQuestion(listed));
  });

  it.each(['HTTP/1.1 500 Oh\r\n\r\n', 'SSH-2.0-OpenSSH\r\n'])(
    'takes whatever is said for life: %j',
    async (text) => {
      const instance = await fake((socket) => socket.write(text));
      expect(await probe(record(instance.port), life)).toEqual({ kind: 'alive' });
      expect(instance.received()).toMatch(/^OPTIONS \* HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/);
    },
  );

  it('takes the end of the connection for life, too: the kernel alone does not end it', async () => {
    const instance = await fake((socket) => socket.end());
    expect(await probe(record(instance.port), life)).toEqual({ kind: 'alive' });
  });

  it('asks for a path when it is given one', async () => {
    const instance = await fake((socket) => socket.end());
    await probe(record(instance.port), { ...life, path: '/healthz' });
    expect(instance.received()).toMatch(/^GET \/healthz HTTP\/1\.1\r\n/);
  });

  it('finds none where a connection is taken and nothing is said', async () => {
    const instance = await fake();
    for (const asked of [true, false]) {
      expect(await probe(record(instance.port, { asked }), { ...life, timeoutMs: 50 })).toMatchObject({
        kind: 'dead',
      });
    }
  });

  it('finds none in another instance', async () => {
    const instance = await fake(known('i2'));
    expect(await probe(record(instance.port, { asked: true }), life)).toMatchObject({ kind: 'dead' });
  });
});
