import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { healthRecord } from '../../../test/kit/health-record.ts';
import { type ConsulClientOptions, createConsulClient } from './consul-client.ts';
import { type ConsulOptions, consulSettings } from './environment.ts';
import {
  type RegistryClient,
  RegistryError,
  type RegistryFailure,
  type ServiceDefinition,
} from './registry-client.ts';

interface FakeAgent {
  readonly address: string;
  readonly server: Server;
  readonly requests: IncomingMessage[];
  readonly sockets: Set<Socket>;
}

/** Closes a server that may be closed already. */
const closed = (server: { close(done: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => {
    server.close(resolve);
  });

/** A scripted agent on a real socket. */
async function fakeAgent(listener: RequestListener, listenOn?: string): Promise<FakeAgent> {
  const requests: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    if (listenOn?.startsWith('/') === true) server.listen(listenOn, resolve);
    else server.listen(0, listenOn ?? '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    return closed(server);
  });
  const bound = server.address();
  const host = listenOn === undefined ? '127.0.0.1' : `[${listenOn}]`;
  const address = typeof bound === 'string' ? `unix://${bound}` : `${host}:${(bound as AddressInfo).port}`;
  return { address, server, requests, sockets };
}

function clientOf(
  options: ConsulOptions,
  limits?: ConsulClientOptions,
  env: Record<string, string> = {},
): RegistryClient {
  const result = consulSettings(env, options);
  if (result.kind === 'invalid') throw new Error(result.problems.join('\n'));
  const client = createConsulClient(result.settings, limits);
  onTestFinished(() => {
    client.close();
  });
  return client;
}

const json = (response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};
const plain =
  (status: number, text: string): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'text/plain' });
    response.end(text);
  };

const signal = new AbortController().signal;
const read = (client: RegistryClient): Promise<unknown> => client.serviceHealth('api', { signal });

async function failureOf(promise: Promise<unknown>): Promise<RegistryError> {
  const error: unknown = await promise.then(
    () => 'it succeeded',
    (reason: unknown) => reason,
  );
  if (!(error instanceof RegistryError))
    throw new Error(`not a RegistryError: ${String(error)}`, { cause: error });
  return error;
}

const definition: ServiceDefinition = {
  ID: 'api-1',
  Name: 'api',
  Address: '127.0.0.1',
  Port: 4000,
  Tags: ['api'],
  Meta: { weight: '3' },
  Weights: { Passing: 3, Warning: 1 },
  Checks: [],
};

describe('answers to a question that is asked again', () => {
  it('bring records that are the same as the very same objects, and the others anew', async () => {
    let records = [{ id: 'a' }, { id: 'b' }];
    const agent = await fakeAgent((_request, response) => {
      json(response, records);
    });
    const client = clientOf({ address: agent.address });
    const { signal } = new AbortController();
    const memory = { list: undefined };
    const first = (await client.serviceHealth('s', { signal, memory })).body as object[];
    records = [{ id: 'new' }, { id: 'b' }];
    const second = (await client.serviceHealth('s', { signal, memory })).body as object[];
    expect(second).toEqual(records);
    expect(second[1]).toBe(first[1]);
  });

  it('that are cut short or no list are what they are, and nothing is taken from the last one', async () => {
    const texts = ['[{"id":"a"}]', '[{"id":"a"}', '{"id":"a"}', '[{"id":"a"}]'];
    const agent = await fakeAgent((_request, response) => {
      response.end(texts.shift());
    });
    const client = clientOf({ address: agent.address });
    const read = { signal: new AbortController().signal, memory: { list: undefined } };
    expect((await client.serviceHealth('s', read)).body).toEqual([{ id: 'a' }]);
    await expect(client.serviceHealth('s', read)).rejects.toMatchObject({ failure: 'malformed' });
    expect((await client.serviceHealth('s', read)).body).toEqual({ id: 'a' });
    expect((await client.serviceHealth('s', read)).body).toEqual([{ id: 'a' }]);
  });
});

describe('createConsulClient reading', () => {
  it('asks for stale health without `passing`, and passes on what the headers say', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, [1], {
        'X-Consul-Index': '9007199254740993',
        'X-Consul-KnownLeader': 'true',
        'X-Consul-LastContact': '12',
        'X-Consul-Results-Filtered-By-ACLs': 'true',
      });
    });
    const answer = await clientOf({ address: agent.address }).serviceHealth('a b/ü', { signal });
    expect(agent.requests[0]!.url).toBe('/v1/health/service/a%20b%2F%C3%BC?stale=1');
    expect(answer).toEqual({
      body: [1],
      bytes: 3,
      leftOut: [],
      index: '9007199254740993',
      knownLeader: true,
      lastContactMs: 12,
      filteredByAcl: true,
    });
  });

  it('blocks on an index with a wait, in the namespace and partition of the settings', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    const client = clientOf({ address: agent.address, namespace: 'ns1', partition: 'p1' });
    const answer = await client.catalogServices({ signal, index: '7', waitMs: 1500 });
    const url = new URL(agent.requests[0]!.url ?? '', 'http://x');
    expect(url.pathname).toBe('/v1/catalog/services');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      stale: '1',
      index: '7',
      wait: '1500ms',
      ns: 'ns1',
      partition: 'p1',
    });
    expect(answer).toMatchObject({ index: undefined, knownLeader: undefined, filteredByAcl: false });
  });

  it('does not block on index 0', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    await clientOf({ address: agent.address }).agentServices({ signal, index: '0', waitMs: 1500 });
    expect(agent.requests[0]!.url).toBe('/v1/agent/services');
  });

  it('keeps to the path prefix of a reverse proxy and sends it Basic credentials', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    const client = clientOf({ address: `http://${agent.address}/consul/`, auth: 'me:secret' });
    await client.agentServices({ signal });
    expect(agent.requests[0]!.url).toBe('/consul/v1/agent/services');
    expect(agent.requests[0]!.headers.authorization).toBe(`Basic ${btoa('me:secret')}`);
  });

  it('reaches an agent on IPv6 and on a unix socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'consul-client-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    for (const listenOn of ['::1', join(directory, 'consul.sock')]) {
      const agent = await fakeAgent((_request, response) => {
        json(response, { reached: true });
      }, listenOn);
      const client = clientOf({ address: agent.address });
      expect((await client.agentServices({ signal })).body).toEqual({ reached: true });
    }
  });

  it('uses one connection for calls one after the other', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    const client = clientOf({ address: agent.address });
    for (let call = 0; call < 5; call += 1) await client.agentServices({ signal });
    expect(agent.sockets.size).toBe(1);
  });
});

describe('createConsulClient writing', () => {
  it('registers with the whole definition, weights included', async () => {
    const bodies: unknown[] = [];
    const agent = await fakeAgent((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        bodies.push(JSON.parse(text));
        response.end();
      });
    });
    await clientOf({ address: agent.address }).registerService(definition, signal);
    expect(agent.requests[0]).toMatchObject({ method: 'PUT', url: '/v1/agent/service/register' });
    expect(bodies).toEqual([definition]);
  });

  it('deregisters, switches maintenance and passes checks', async () => {
    const agent = await fakeAgent((_request, response) => response.end());
    const client = clientOf({ address: agent.address });
    await client.deregisterService('api/1', signal);
    await client.setMaintenance('api-1', { enable: true, reason: 'leaving now' }, signal);
    await client.passCheck('service:api-1', 'alive', signal);
    expect(agent.requests.map(({ method, url }) => `${method ?? ''} ${url ?? ''}`)).toEqual([
      'PUT /v1/agent/service/deregister/api%2F1',
      'PUT /v1/agent/service/maintenance/api-1?enable=true&reason=leaving%20now',
      'PUT /v1/agent/check/pass/service%3Aapi-1?note=alive',
    ]);
  });

  it('takes a login page for no success', async () => {
    const agent = await fakeAgent((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Log in</html>');
    });
    const error = await failureOf(clientOf({ address: agent.address }).passCheck('c', '', signal));
    expect(error.failure).toBe('malformed');
  });

  it.each(['', '.', '..', 'a\nb', 'x'.repeat(600)])('refuses the id %j without asking', async (id) => {
    const agent = await fakeAgent((_request, response) => response.end());
    const error = await failureOf(clientOf({ address: agent.address }).deregisterService(id, signal));
    expect(error.failure).toBe('rejected');
    expect(agent.requests).toEqual([]);
  });
});

describe('createConsulClient failing', () => {
  it.each<[RequestListener, RegistryFailure]>([
    [plain(500, 'No cluster leader'), 'unavailable'],
    [plain(503, ''), 'unavailable'],
    [plain(429, 'Your IP is issuing too many requests'), 'over_limit'],
    [plain(404, ''), 'not_found'],
    [plain(400, 'Invalid wait'), 'rejected'],
    [plain(403, 'Permission denied'), 'forbidden'],
    [plain(401, ''), 'forbidden'],
    [plain(302, ''), 'malformed'],
    [plain(200, '<html>Log in</html>'), 'malformed'],
    [plain(200, ''), 'malformed'],
    [plain(200, '[{"Node":'), 'malformed'],
  ])('classifies the answer of %o', async (listener, failure) => {
    const agent = await fakeAgent(listener);
    expect((await failureOf(read(clientOf({ address: agent.address })))).failure).toBe(failure);
  });

  it.each<[string, (client: RegistryClient) => Promise<void>]>([
    ['CheckID "c" does not have associated TTL', (client) => client.passCheck('c', '', signal)],
    [
      'Unknown check ID "c". Ensure that the check ID is passed',
      (client) => client.passCheck('c', '', signal),
    ],
    ['Unknown service "s"', (client) => client.deregisterService('s', signal)],
    [
      'Unknown service ID "s". Ensure that the service ID is passed',
      (client) => client.deregisterService('s', signal),
    ],
    [
      'No service registered with ID "s"',
      (client) => client.setMaintenance('s', { enable: true, reason: '' }, signal),
    ],
  ])('reads the 500 "%s" of an older agent as not_found', async (text, call) => {
    const agent = await fakeAgent(plain(500, text));
    expect((await failureOf(call(clientOf({ address: agent.address })))).failure).toBe('not_found');
  });

  it('does not take that wording for not_found where no id was asked for', async () => {
    const agent = await fakeAgent(plain(500, 'Unknown service "s"'));
    expect((await failureOf(read(clientOf({ address: agent.address })))).failure).toBe('unavailable');
  });

  it('says where it cannot connect, why, and which setting said so', async () => {
    const agent = await fakeAgent((_request, response) => response.end());
    agent.server.close();
    const env = { CONSUL_HTTP_ADDR: agent.address };
    const error = await failureOf(read(clientOf({}, {}, env)));
    expect(error.failure).toBe('unreachable');
    expect(error.message).toBe(
      `Cannot reach Consul at http://${agent.address} (ECONNREFUSED, from CONSUL_HTTP_ADDR)`,
    );
  });

  it('names the ACL rule that is missing', async () => {
    const agent = await fakeAgent(plain(403, 'Permission denied'));
    const client = clientOf({ address: agent.address });
    expect((await failureOf(client.registerService(definition, signal))).message).toContain(
      'service:write on "api"',
    );
    expect((await failureOf(read(client))).message).toContain('service:read on "api" and node:read');
  });

  it('never repeats a secret, not even one that the answer holds', async () => {
    const agent = await fakeAgent(plain(403, 'token canary-token of canary-password\n\u001b[31m is bad'));
    const client = clientOf({ address: agent.address, token: 'canary-token', auth: 'me:canary-password' });
    const error = await failureOf(read(client));
    expect(error.message).not.toMatch(/canary/u);
    expect(error.message).not.toMatch(/\p{Cc}/u);
    expect(client.description).not.toMatch(/canary/u);
  });

  it('gives up on an agent that never answers, and closes the connection', async () => {
    const agent = await fakeAgent(() => undefined);
    const client = clientOf({ address: agent.address }, { callTimeoutMs: 50 });
    expect((await failureOf(read(client))).failure).toBe('timeout');
    await eventually(() => {
      expect(agent.sockets.size).toBe(0);
    });
  });

  it('gives up on a body that comes byte by byte', async () => {
    const agent = await fakeAgent((_request, response) => {
      const timer = setInterval(() => response.write(' '), 5);
      response.once('close', () => {
        clearInterval(timer);
      });
    });
    const client = clientOf({ address: agent.address }, { callTimeoutMs: 60 });
    expect((await failureOf(read(client))).failure).toBe('timeout');
  });

  it('waits for a blocking read a sixteenth and a margin longer than the agent may', async () => {
    const agent = await fakeAgent(() => undefined);
    const client = clientOf({ address: agent.address }, { callTimeoutMs: 1, blockingMarginMs: 20 });
    const startedMs = performance.now();
    const error = await failureOf(client.serviceHealth('api', { signal, index: '7', waitMs: 160 }));
    expect(error.failure).toBe('timeout');
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(185);
  });

  it('sees a body that breaks off, with a length and chunked', async () => {
    for (const headers of [{ 'Content-Length': '100' }, {}]) {
      const agent = await fakeAgent((_request, response) => {
        response.writeHead(200, headers);
        response.write('[{"Node":', () => response.destroy());
      });
      const startedMs = performance.now();
      expect((await failureOf(read(clientOf({ address: agent.address })))).failure).toBe('unreachable');
      expect(performance.now() - startedMs).toBeLessThan(2000);
    }
  });

  it('takes no body over the cap, declared or not', async () => {
    for (const headers of [{ 'Content-Length': '5000' }, {}]) {
      const agent = await fakeAgent((_request, response) => {
        response.writeHead(200, headers);
        response.end(`"${'x'.repeat(4998)}"`);
      });
      const error = await failureOf(read(clientOf({ address: agent.address }, { maxBodyBytes: 1000 })));
      expect(error.failure).toBe('malformed');
      expect(error.message).toContain('1000 bytes');
    }
  });

  it('reads a list that is too large without its largest records, says so, and takes that back', async () => {
    const big = healthRecord('big', { tags: ['x'.repeat(20_000)] });
    let records = [healthRecord('a'), big];
    const agent = await fakeAgent((_request, response) => {
      json(response, records);
    });
    const client = clientOf({ address: agent.address }, { maxBodyBytes: 16_000 });
    const answer = await client.serviceHealth('api', { signal });
    expect(answer.body).toEqual([healthRecord('a')]);
    expect(answer.leftOut).toEqual([{ name: 'big', node: 'n1' }]);
    expect(client.notices.current).toMatchObject([{ kind: 'oversize' }]);
    expect(client.notices.current[0]?.message).toContain('"api": "big"');
    records = [healthRecord('a')];
    await client.serviceHealth('api', { signal });
    expect(client.notices.current).toEqual([]);
  });

  it('sees a server that does not speak HTTP', async () => {
    const server = createTcpServer((socket) => socket.resume().end('SSH-2.0-OpenSSH\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => closed(server));
    const { port } = server.address() as AddressInfo;
    expect((await failureOf(read(clientOf({ address: `127.0.0.1:${port}` })))).failure).toBe('malformed');
  });

  it('tries once more when a kept connection closes under an ordinary call', async () => {
    let requests = 0;
    const agent = await fakeAgent((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.destroy();
      else json(response, {});
    });
    const client = clientOf({ address: agent.address });
    await client.agentServices({ signal });
    await client.agentServices({ signal });
    expect(requests).toBe(3);
  });

  it('leaves a blocking read that breaks off to its watch', async () => {
    const agent = await fakeAgent((request) => request.socket.destroy());
    const error = await failureOf(
      clientOf({ address: agent.address }).serviceHealth('api', { signal, index: '7' }),
    );
    expect(error.failure).toBe('unreachable');
    expect(agent.requests).toHaveLength(1);
  });

  it('names the certificate file that it cannot read', () => {
    const options = { address: 'https://127.0.0.1:1', caFile: '/nowhere/ca.pem' };
    expect(() => clientOf(options)).toThrow(/\/nowhere\/ca\.pem \(ENOENT, from option caFile\)/u);
  });
});

describe('createConsulClient ending', () => {
  it('rejects with the reason of the signal, before and during a call, and closes the connection', async () => {
    const agent = await fakeAgent(() => undefined);
    const client = clientOf({ address: agent.address });
    const reason = new Error('stopping');
    await expect(client.serviceHealth('api', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(agent.requests).toEqual([]);

    const end = new AbortController();
    const call = client.serviceHealth('api', { signal: end.signal, index: '7' });
    await eventually(() => {
      expect(agent.requests).toHaveLength(1);
    });
    end.abort(reason);
    await expect(call).rejects.toBe(reason);
    await eventually(() => {
      expect(agent.sockets.size).toBe(0);
    });
  });

  it('closes idle connections at once and busy ones after their call', async () => {
    let release: (() => void) | undefined;
    const agent = await fakeAgent((request, response) => {
      if (request.url?.includes('index=7') === true) {
        release = () => {
          json(response, []);
        };
      } else {
        json(response, {});
      }
    });
    const client = clientOf({ address: agent.address });
    const busy = client.serviceHealth('api', { signal, index: '7' });
    await eventually(() => {
      expect(release).toBeDefined();
    });
    await client.agentServices({ signal });
    expect(agent.sockets.size).toBe(2);
    client.close();
    await eventually(() => {
      expect(agent.sockets.size).toBe(1);
    });
    release?.();
    expect((await busy).body).toEqual([]);
    await eventually(() => {
      expect(agent.sockets.size).toBe(0);
    });
  });
});

describe('createConsulClient with a token', () => {
  it('sends it in X-Consul-Token and nowhere else', async () => {
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    await clientOf({ address: agent.address, token: 'canary' }).agentServices({ signal });
    expect(agent.requests[0]!.headers['x-consul-token']).toBe('canary');
    expect(agent.requests[0]!.url).not.toContain('canary');
  });

  it('reads a token from a pipe once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'consul-client-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, 'token');
    execFileSync('mkfifo', [file]);
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    let nowMs = 0;
    const client = clientOf({ address: agent.address, tokenFile: file }, { now: () => nowMs });
    await Promise.all([client.agentServices({ signal }), writeFile(file, 'piped')]);
    nowMs += 1000;
    await utimes(file, 1, 1);
    await client.agentServices({ signal });
    expect(agent.requests.map(({ headers }) => headers['x-consul-token'])).toEqual(['piped', 'piped']);
  });

  it('follows the token file without a restart, and looks at it at most once a second', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'consul-client-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, 'token');
    const agent = await fakeAgent((_request, response) => {
      json(response, {});
    });
    let nowMs = 0;
    const client = clientOf(
      { address: agent.address, token: 'plain', tokenFile: file },
      { now: () => nowMs },
    );
    const sent = async (): Promise<unknown> => {
      await client.agentServices({ signal });
      return agent.requests.at(-1)!.headers['x-consul-token'];
    };

    const unreadable = await failureOf(client.agentServices({ signal }));
    expect(unreadable).toMatchObject({ failure: 'forbidden' });
    expect(unreadable.message).toContain('ENOENT, from option tokenFile');

    nowMs += 1000;
    await writeFile(file, '  first\n');
    expect(await sent()).toBe('first');
    await writeFile(file, 'second');
    await utimes(file, 1, 1);
    nowMs += 999;
    expect(await sent()).toBe('first');
    nowMs += 1;
    expect(await sent()).toBe('second');
    await rm(file);
    nowMs += 1000;
    expect(await sent()).toBe('second');
    await writeFile(file, '\n');
    nowMs += 1000;
    expect(await sent()).toBe('plain');
  });
});
