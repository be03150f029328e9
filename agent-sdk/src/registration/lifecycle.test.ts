import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import Fastify from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { startFakeGateway } from '../../../test/kit/fake-gateway.ts';
import { healthRecord } from '../../../test/kit/health-record.ts';
import { registerService, type ServiceEvent, startService } from '../index.ts';

/** As much of an agent as a registration needs, over real HTTP. */
async function startAgent(port = 0) {
  const services = new Map<string, Record<string, unknown>>();
  const calls: string[] = [];
  /** What it says of gateways, and what it fails at. */
  const state = { gateways: [] as unknown[], isWithoutLeader: false, refusesMaintenance: false };
  const server = createServer((incoming, response) => {
    void read(incoming).then((body) => {
      const path = decodeURIComponent((incoming.url ?? '').replace(/\?.*$/u, ''));
      if (path.startsWith('/v1/health/')) {
        response.writeHead(state.isWithoutLeader ? 500 : 200, { 'content-type': 'application/json' });
        response.end(state.isWithoutLeader ? 'No cluster leader' : JSON.stringify(state.gateways));
        return;
      }
      if (path.includes('/maintenance/') && state.refusesMaintenance) {
        response.writeHead(403);
        response.end('Permission denied');
        return;
      }
      calls.push(path.replace('/v1/agent/', ''));
      const id = path.split('/').at(-1) ?? '';
      if (path.endsWith('/register')) {
        const definition = JSON.parse(body) as Record<string, unknown>;
        services.set(String(definition['ID']), definition);
      } else if (path.includes('/deregister/')) {
        services.delete(id);
      } else if (path.includes('/check/pass/') && !services.has(id.split(':')[1] ?? '')) {
        response.writeHead(500);
        response.end(`Unknown check "${id}"`);
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(path.endsWith('/services') ? '{}' : undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });
  onTestFinished(close);
  return {
    services,
    calls,
    state,
    close,
    port: portOf(server),
    address: `http://127.0.0.1:${portOf(server)}`,
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function read(stream: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

function get(port: number, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      resolve(read(response));
    })
      .on('error', reject)
      .end();
  });
}

function quiet(address: string) {
  const events: ServiceEvent[] = [];
  const log = (event: ServiceEvent) => events.push(event);
  return { events, options: { consul: { address }, signals: 'ignore', propagationMs: 20, log } as const };
}

describe('startService', () => {
  it('serves a function on a random port, registered when it resolves and gone when it has stopped', async () => {
    const agent = await startAgent();
    const handle = await startService({
      name: 'api',
      routes: ['/api'],
      port: { from: 20_000, to: 29_999 },
      handler: (_request, response) => response.end('hello'),
      ...quiet(agent.address).options,
    });
    expect(handle.registration.state).toBe('registered');
    expect(handle.address).toBe('127.0.0.1');
    expect(handle.id).toMatch(/^api-[0-9a-z]{10}$/);
    expect(handle.port).toBeGreaterThanOrEqual(20_000);
    expect(agent.services.get(handle.id)).toMatchObject({
      Port: handle.port,
      Tags: ['api', 'urlprefix-/api'],
    });
    expect(await get(handle.port)).toBe('hello');

    const stopped = handle.stop();
    expect(handle.stop()).toBe(stopped);
    await stopped;
    expect(agent.calls.map((call) => call.replaceAll(handle.id, 'ID'))).toEqual([
      'services',
      'service/register',
      'check/pass/service:ID:ttl',
      'service/maintenance/ID',
      'service/deregister/ID',
    ]);
    await expect(get(handle.port)).rejects.toThrow();
    expect(handle.registration.state).toBe('unregistered');
  });

  it('keeps the port open and answering while gateways learn that it stops', async () => {
    const agent = await startAgent();
    const handle = await startService({
      name: 'api',
      port: 0,
      handler: (_request, response) => response.end('hello'),
      ...quiet(agent.address).options,
      propagationMs: 300,
    });
    const stopped = handle.stop();
    await eventually(() => {
      expect(agent.calls.at(-1)).toContain('maintenance');
    });
    expect(await get(handle.port)).toBe('hello');
    await stopped;
  });

  it('serves without Consul, says so, and registers when Consul comes up', async () => {
    const first = await startAgent();
    await first.close();
    const { events, options } = quiet(first.address);
    const handle = await startService({
      name: 'api',
      port: 0,
      ttlMs: 1_000,
      handler: (_request, response) => response.end('hello'),
      ...options,
    });
    onTestFinished(() => handle.stop());
    expect(handle.registration).toMatchObject({
      state: 'registering',
      lastError: { failure: 'unreachable' },
    });
    expect(await get(handle.port)).toBe('hello');
    expect(events.at(-1)?.message).toMatch(/ECONNREFUSED.*retrying in/);
    const second = await startAgent(first.port);
    await eventually(() => {
      expect(handle.registration.state).toBe('registered');
    });
    expect(second.services.has(handle.id)).toBe(true);
    second.services.clear();
    await eventually(() => {
      expect(second.services.has(handle.id)).toBe(true);
    });
  });

  it('runs the hooks of Fastify and of the caller in order, and fails no request with 503 while it drains', async () => {
    const agent = await startAgent();
    const steps: string[] = [];
    const step = (name: string) => () => {
      steps.push(name);
      return Promise.resolve();
    };
    let answer: (() => void) | undefined;
    const app = Fastify();
    app.addHook('onReady', step('onReady'));
    app.addHook('preClose', step('preClose'));
    app.addHook('onClose', step('onClose'));
    app.get(
      '/slow',
      () =>
        new Promise(
          (resolve) =>
            (answer = () => {
              resolve('slow');
            }),
        ),
    );
    const handle = await startService({
      name: 'api',
      handler: app,
      ready: step('ready'),
      close: step('close'),
      ...quiet(agent.address).options,
      propagationMs: 300,
    });
    expect(steps).toEqual(['onReady', 'ready']);
    const slow = get(handle.port, '/slow');
    await eventually(() => {
      expect(answer).toBeDefined();
    });
    const stopped = handle.stop();
    expect(await get(handle.port)).toContain('Not Found');
    answer?.();
    expect(await slow).toBe('slow');
    await stopped;
    expect(steps).toEqual(['onReady', 'ready', 'preClose', 'onClose', 'close']);
    expect(agent.services.size).toBe(0);
  });

  it('uses a server that listens already, and deregisters when other code closes it', async () => {
    const agent = await startAgent();
    const server = createServer((_request, response) => response.end('mine'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const handle = await startService({ name: 'api', handler: server, ...quiet(agent.address).options });
    expect(handle.port).toBe(portOf(server));
    expect(server.keepAliveTimeout).toBe(75_000);
    expect(server.headersTimeout).toBeGreaterThan(server.keepAliveTimeout);
    expect(agent.services.size).toBe(1);
    server.close();
    await eventually(() => {
      expect(agent.services.size).toBe(0);
    });
  });

  it('leaves no port open when the start fails', async () => {
    const agent = await startAgent();
    const server = createServer();
    const start = startService({
      name: 'api',
      port: 0,
      handler: server,
      ready: () => Promise.reject(new Error('no database')),
      ...quiet(agent.address).options,
    });
    await expect(start).rejects.toMatchObject({
      code: 'not_ready',
      message: 'The ready hook failed: no database',
    });
    expect(server.listening).toBe(false);
    expect(agent.services.size).toBe(0);
  });

  it('closes the application and calls the close hook once, also when closing fails', async () => {
    const agent = await startAgent();
    const closed: string[] = [];
    const app = Fastify();
    app.addHook('onClose', () => Promise.reject(new Error('disk is full')));
    const counted = Object.assign(Object.create(app) as typeof app, {
      server: app.server,
      close: () => {
        closed.push('application');
        return app.close();
      },
    });
    const { events, options } = quiet(agent.address);
    const close = () => {
      closed.push('hook');
      return Promise.resolve();
    };
    const handle = await startService({ name: 'api', port: 0, handler: counted, close, ...options });
    await Promise.all([handle.stop(), handle.stop()]);
    await handle.stop();
    expect(closed).toEqual(['application', 'hook']);
    expect(events.filter(({ kind }) => kind === 'stop_step_failed').map(({ message }) => message)).toEqual([
      'closing the application: disk is full',
    ]);
    expect(agent.services.size).toBe(0);
  });

  it('takes hooks that are no promises, and calls them without arguments', async () => {
    const agent = await startAgent();
    const calls: unknown[][] = [];
    const hook = ((...values: unknown[]) => void calls.push(values)) as unknown as () => Promise<void>;
    const { events, options } = quiet(agent.address);
    const handler = () => undefined;
    const handle = await startService({
      name: 'api',
      port: 0,
      handler,
      ready: hook,
      close: hook,
      ...options,
    });
    await handle.stop();
    expect(calls).toEqual([[], []]);
    expect(events.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('refuses a handler that it can’t serve', async () => {
    await expect(startService({ name: 'api', handler: JSON.parse('{}') as Server })).rejects.toMatchObject({
      code: 'invalid_options',
    });
  });
});

describe('what is registered', () => {
  const handler = (_request: unknown, response: { end(text: string): unknown }) => response.end('here');

  it('may be another port, the address of a network, and further addresses', async () => {
    const agent = await startAgent();
    await using handle = await startService({
      name: 'api',
      port: 0,
      handler,
      network: '127.0.0.0/8',
      advertisedPort: 32_768,
      taggedAddresses: { wan: { address: '203.0.113.7', port: 443 }, lan: { address: '10.0.0.4' } },
      ...quiet(agent.address).options,
    });
    expect(handle.port).not.toBe(32_768);
    expect(agent.services.get(handle.id)).toMatchObject({
      Address: '127.0.0.1',
      Port: 32_768,
      TaggedAddresses: {
        wan: { Address: '203.0.113.7', Port: 443 },
        lan: { Address: '10.0.0.4', Port: 32_768 },
      },
    });
  });

  it('is refused where this machine has no address in the network, or listens at another one only', async () => {
    const agent = await startAgent();
    const start = (network: string, host: string) =>
      startService({ name: 'api', port: 0, host, handler, network, ...quiet(agent.address).options });
    await expect(start('203.0.113.0/24', '0.0.0.0')).rejects.toThrow(
      /^No address of this machine is in 203\.0\.113\.0\/24 \(option network\); it has .*127\.0\.0\.1 \(lo/,
    );
    await expect(start('127.0.0.1/32', '127.0.0.2')).rejects.toThrow(
      /but the service listens on 127\.0\.0\.2 only/,
    );
    expect(agent.services.size).toBe(0);
  });

  it('says of a server of node:https that it speaks TLS, and claims no route for it', async () => {
    const agent = await startAgent();
    const server = createSecureServer();
    const options = { name: 'api', port: 0, handler: server, ...quiet(agent.address).options } as const;
    await expect(startService({ ...options, routes: ['/api'] })).rejects.toMatchObject({
      code: 'invalid_options',
      message: expect.stringMatching(/^routes and check need plain HTTP/) as string,
    });
    await using handle = await startService(options);
    const meta = agent.services.get(handle.id)?.['Meta'];
    expect(meta).toMatchObject({ 'roundhouse-scheme': 'https' });
    expect(meta).not.toHaveProperty('roundhouse-identity');
  });
});

describe('registerService', () => {
  it('registers a port that is served elsewhere, and lets the caller close it between maintenance and deregistration', async () => {
    const agent = await startAgent();
    let callsAtClose: readonly string[] = [];
    await (async () => {
      await using handle = await registerService({
        name: 'web',
        port: 4_000,
        id: 'web-1',
        close: () => {
          callsAtClose = [...agent.calls];
          return Promise.resolve();
        },
        ...quiet(agent.address).options,
      });
      expect(handle.port).toBe(4_000);
      expect(agent.services.get('web-1')).toMatchObject({ Port: 4_000, Address: '127.0.0.1' });
    })();
    expect(callsAtClose.at(-1)).toBe('service/maintenance/web-1');
    expect(agent.calls.at(-1)).toBe('service/deregister/web-1');
  });
});

describe('registerService with a server', () => {
  /** A server that answers when a test says so, registered. */
  async function startOwn(
    agent: Awaited<ReturnType<typeof startAgent>>,
    close?: () => Promise<void>,
    answered = () => undefined as unknown,
  ) {
    let answer: () => void = () => undefined;
    const server = createServer((_request, response) => {
      answer = () => response.end('whole', answered);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const handle = await registerService({ name: 'web', server, close, ...quiet(agent.address).options });
    const asked = once(server, 'request');
    const response = get(handle.port);
    await asked;
    return {
      server,
      handle,
      answered: response,
      answer: () => {
        answer();
      },
    };
  }

  it('takes its port, finishes what is in flight at a stop, then closes what the caller has', async () => {
    const agent = await startAgent();
    const order: string[] = [];
    const own = await startOwn(
      agent,
      () => Promise.resolve(void order.push('close hook')),
      () => order.push('answered'),
    );
    expect(own.handle.port).toBe(portOf(own.server));
    const stopped = own.handle.stop();
    await eventually(() => {
      expect(own.server.listening).toBe(false);
    });
    own.answer();
    expect(await own.answered).toBe('whole');
    await stopped;
    expect(order).toEqual(['answered', 'close hook']);
    expect(agent.services.size).toBe(0);
  });

  it('takes a close by other code for a stop: Consul is told first, and requests are answered until then', async () => {
    const agent = await startAgent();
    const own = await startOwn(agent);
    const closed = new Promise<readonly string[]>((resolve) => {
      own.server.close(() => {
        resolve([...agent.calls]);
      });
    });
    expect(own.server.listening).toBe(true);
    own.answer();
    expect(await own.answered).toBe('whole');
    expect((await closed).at(-1)).toBe(`service/maintenance/${own.handle.id}`);
    await own.handle.stop();
    expect(agent.services.size).toBe(0);
  });

  it('answers 500 for a handler that rejects, and goes on', async () => {
    const agent = await startAgent();
    const { events, options } = quiet(agent.address);
    const server = createServer((incoming, response) => {
      if (incoming.url === '/') response.end('fine');
      else throw new Error('broken');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await using handle = await registerService({ name: 'web', server, ...options });
    expect(await get(handle.port, '/x?secret')).toBe('Internal Server Error');
    expect(await get(handle.port)).toBe('fine');
    const lines = events.filter(({ kind }) => kind === 'handler_failed').map(({ message }) => message);
    expect(lines).toEqual([expect.stringMatching(/^GET \/x failed: Error: broken\n/u)]);
  });
});

describe('a stop', () => {
  /** A running service and how long its stop takes, with what it logs. */
  async function stopWith(agent: Awaited<ReturnType<typeof startAgent>>, propagationMs: number) {
    const { events, options } = quiet(agent.address);
    const handle = await startService({
      name: 'api',
      port: 0,
      handler: (_request, response) => response.end(),
      ...options,
      propagationMs,
    });
    const sinceMs = performance.now();
    await handle.stop();
    const lines = events.filter(({ kind }) => kind === 'drain_acknowledged' || kind === 'stop_step_failed');
    return {
      tookMs: performance.now() - sinceMs,
      lines: lines.map(({ level, message }) => `${level}: ${message}`),
    };
  }

  async function gateway(id = 'g-1') {
    const fake = await startFakeGateway();
    onTestFinished(() => Promise.resolve(fake[Symbol.asyncDispose]()));
    fake.answer('draining');
    const record = healthRecord(id, { service: 'roundhouse', address: '127.0.0.1', port: fake.port });
    return { fake, record };
  }

  it('is over soon after all gateways have confirmed, and takes the fixed time where there are none', async () => {
    const agent = await startAgent();
    const { record } = await gateway();
    agent.state.gateways = [record];
    const all = await stopWith(agent, 60_000);
    expect(all.tookMs).toBeLessThan(5_000);
    expect(all.lines).toEqual([
      expect.stringMatching(/^info: draining acknowledged by 1\/1 gateways in \d+ ms$/),
    ]);
    agent.state.gateways = [];
    // A timer may fire a fraction of a millisecond early.
    expect((await stopWith(agent, 150)).tookMs).toBeGreaterThan(145);
  });

  it('takes the fixed time where not all gateways confirm', async () => {
    const agent = await startAgent();
    const [good, dead] = [await gateway(), await gateway('g-2')];
    await dead.fake[Symbol.asyncDispose]();
    agent.state.gateways = [good.record, dead.record];
    const { tookMs, lines } = await stopWith(agent, 800);
    expect(tookMs).toBeGreaterThan(795);
    expect(lines[0]).toMatch(/^warn: draining acknowledged by 1\/2 gateways/);
  });

  it('says that Consul failed, and asks no gateway when Consul could not be told', async () => {
    const agent = await startAgent();
    agent.state.isWithoutLeader = true;
    const broken = await stopWith(agent, 150);
    expect(broken.tookMs).toBeGreaterThan(145);
    expect(broken.lines).toEqual([
      expect.stringMatching(/^warn: could not ask for gateways: .*leader.*; closing after 150 ms$/),
    ]);
    const { fake, record } = await gateway();
    Object.assign(agent.state, { isWithoutLeader: false, refusesMaintenance: true, gateways: [record] });
    fake.answer('live');
    const { tookMs, lines } = await stopWith(agent, 150);
    expect(tookMs).toBeGreaterThan(145);
    expect(lines).toEqual([expect.stringMatching(/^warn: could not announce the stop: /)]);
  });
});
