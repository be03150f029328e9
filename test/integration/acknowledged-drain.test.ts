import { createServer } from 'node:http';

import { registerService, type ServiceEvent, type ServiceHandle, startService } from '@roundhouse/agent-sdk';
import { describe, expect, it, onTestFinished } from 'vitest';

import { createEmbeddedConsul, type EmbeddedConsul } from '../../gateway/src/embedded-consul/index.ts';
import { eventually } from '../kit/eventually.ts';
import { startFakeGateway, type FakeGateway } from '../kit/fake-gateway.ts';
import { get } from '../kit/load.ts';

interface Setup {
  readonly consul: EmbeddedConsul;
  readonly address: string;
  /** `METHOD /path` of every call to Consul. */
  readonly calls: readonly string[];
}

async function startConsul(onCall: (call: string) => void = () => undefined): Promise<Setup> {
  const calls: string[] = [];
  const onRequest = (method: string, target: string): void => {
    calls.push(`${method} ${target}`);
    onCall(`${method} ${target}`);
  };
  const consul = createEmbeddedConsul({ onRequest });
  const { port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => consul.stop());
  return { consul, address: `http://127.0.0.1:${port}`, calls };
}

/** A fake gateway that is registered as a real one is: by the SDK, under the name `roundhouse`. */
async function joinGateway({ address }: Setup, id: string): Promise<FakeGateway> {
  const gateway = await startFakeGateway();
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const handle = await registerService({
    name: 'roundhouse',
    id,
    port: gateway.port,
    consul: { address },
    signals: 'ignore',
    propagationMs: 0,
    log: () => undefined,
  });
  onTestFinished(() => handle.stop());
  return gateway;
}

async function serve(
  { address }: Setup,
  times: { readonly acknowledgeTimeoutMs?: number; readonly propagationMs?: number } = {},
): Promise<{
  readonly handle: ServiceHandle;
  readonly events: readonly ServiceEvent[];
  readonly url: string;
}> {
  const events: ServiceEvent[] = [];
  const handle = await startService({
    name: 'api-service',
    port: 0,
    host: '127.0.0.1',
    handler: (_request, response) => response.end('hello'),
    consul: { address },
    signals: 'ignore',
    log: (event) => events.push(event),
    ...times,
  });
  onTestFinished(() => handle.stop());
  return { handle, events, url: `http://127.0.0.1:${handle.port}/` };
}

const said = (events: readonly ServiceEvent[], kind: ServiceEvent['kind']) =>
  events.filter((event) => event.kind === kind).map(({ level, message }) => `${level}: ${message}`);

describe('a service among gateways', () => {
  it('says on how many it is live, and closes when all have confirmed, not before and not later', async () => {
    const setup = await startConsul();
    const [a, b] = [await joinGateway(setup, 'g-a'), await joinGateway(setup, 'g-b')];
    const { handle, events, url } = await serve(setup, {
      propagationMs: 60_000,
      acknowledgeTimeoutMs: 60_000,
    });
    expect(await handle.live).toMatchObject({ confirmed: 2 });
    expect(said(events, 'live')[0]).toMatch(/^info: live on 2\/2 gateways in \d+ ms$/);
    a.answer('draining');
    const askedBefore = b.asked.length;
    const stopped = handle.stop();
    await eventually(() => {
      expect(b.asked.length).toBeGreaterThan(askedBefore + 2);
    });
    expect(setup.calls.filter((call) => call.includes('maintenance'))).toHaveLength(1);
    expect((await get(url)).body).toBe('hello');
    b.answer('draining');
    await stopped;
    expect(said(events, 'drain_acknowledged')[0]).toMatch(
      /^info: draining acknowledged by 2\/2 gateways in \d+ ms$/,
    );
    await expect(get(url)).rejects.toThrow();
    const [maintenance, deregistration] = ['/maintenance/', '/deregister/'].map((what) =>
      setup.calls.findIndex((call) => call.includes(`${what}${handle.id}`)),
    );
    expect(maintenance).toBeGreaterThan(0);
    expect(deregistration).toBeGreaterThan(maintenance ?? Infinity);
  });

  it('says when a gateway changes its mind, and which one never lets go', async () => {
    const setup = await startConsul();
    const [good, bad] = [await joinGateway(setup, 'g-good'), await joinGateway(setup, 'g-bad')];
    bad.answer({ out: 'connection refused at 127.0.0.1:1' });
    const { handle, events } = await serve(setup, { propagationMs: 0, acknowledgeTimeoutMs: 200 });
    await eventually(() => {
      expect(bad.asked.length).toBeGreaterThan(1);
    });
    bad.answer('live');
    expect(await handle.live).toMatchObject({ confirmed: 2 });
    good.answer('unknown');
    await handle.stop();
    expect(said(events, 'drain_acknowledged')[0]).toMatch(
      /^warn: draining acknowledged by 1\/2 gateways in \d+ ms; gateway g-bad: it still sends requests here$/,
    );
  });

  it('waits the fixed time when no gateway is registered, and when Consul can’t be told', async () => {
    const setup = await startConsul();
    const alone = await serve(setup, { propagationMs: 400 });
    expect(await alone.handle.live).toMatchObject({ gateways: [] });
    const startedMs = performance.now();
    const stopped = alone.handle.stop();
    await eventually(() => {
      expect(setup.calls.some((call) => call.includes('maintenance'))).toBe(true);
    });
    expect((await get(alone.url)).body).toBe('hello');
    await stopped;
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(400);
    expect(said(alone.events, 'drain_acknowledged')).toEqual([]);

    const orphan = await serve(setup, { propagationMs: 200 });
    await setup.consul.stop();
    await orphan.handle.stop();
    await expect(get(orphan.url)).rejects.toThrow();
    expect(said(orphan.events, 'stop_step_failed')[0]).toMatch(/could not announce the stop/);
  });

  it('stops in order, and soon, when Consul dies between the announcement and the question for gateways', async () => {
    let stopsAt: 'health' | 'nothing' = 'nothing';
    const setup = await startConsul((call) => {
      if (stopsAt === 'health' && call.includes('/health/service/roundhouse')) void setup.consul.stop();
    });
    const gateway = await joinGateway(setup, 'g');
    const { handle, events, url } = await serve(setup, {
      propagationMs: 2_000,
      acknowledgeTimeoutMs: 60_000,
    });
    await handle.live;
    gateway.answer('draining');
    stopsAt = 'health';
    const startedMs = performance.now();
    const stopped = handle.stop();
    expect(handle.stop()).toBe(stopped);
    await eventually(() => {
      expect(said(events, 'drain_acknowledged')).toHaveLength(1);
    });
    expect((await get(url)).body).toBe('hello');
    await stopped;
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await expect(get(url)).rejects.toThrow();
    expect(said(events, 'drain_acknowledged')[0]).toMatch(
      /^warn: could not ask for gateways: .* after 2000 ms$/,
    );
    expect(said(events, 'stop_step_failed')[0]).toMatch(/could not deregister/);
    expect(said(events, 'stopped')).toHaveLength(1);
  });

  it('asks gateways that come while it stops, and gives up those that go', async () => {
    const setup = await startConsul();
    const [leaving, first] = [await joinGateway(setup, 'g-leaving'), await joinGateway(setup, 'g-first')];
    const { handle, events, url } = await serve(setup, { propagationMs: 0, acknowledgeTimeoutMs: 60_000 });
    await handle.live;
    const askedBefore = leaving.asked.length;
    leaving.answer('hang');
    const stopped = handle.stop();
    await eventually(() => {
      expect(leaving.asked.length).toBeGreaterThan(askedBefore);
    });
    const late = await joinGateway(setup, 'g-late');
    await leaving[Symbol.asyncDispose]();
    first.answer('draining');
    await eventually(() => {
      expect(late.asked).toContain(handle.id);
    });
    expect((await get(url)).body).toBe('hello');
    late.answer('draining');
    await stopped;
    expect(said(events, 'drain_acknowledged')[0]).toMatch(
      /^warn: draining acknowledged by 2\/3 gateways in \d+ ms; gateway g-leaving can't be asked at \S+: connection re/,
    );
  });

  it('does not wait the whole bound for a gateway that has died, but as long as for none', async () => {
    const setup = await startConsul();
    const dead = await joinGateway(setup, 'g-dead');
    await dead[Symbol.asyncDispose]();
    const { handle, events } = await serve(setup, { propagationMs: 300, acknowledgeTimeoutMs: 60_000 });
    await handle.live;
    expect(said(events, 'live')[0]).toMatch(
      /^warn: live on 0\/1 gateways in \d+ ms; gateway g-dead can't be asked at 127\.0\.0\.1:\d+: connection refused$/,
    );
    const startedMs = performance.now();
    await handle.stop();
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(300);
    expect(tookMs).toBeLessThan(5_000);
  });

  it('promises to say who it is with startService, and with registerService when given its server', async () => {
    const setup = await startConsul();
    const { handle, url } = await serve(setup);
    const server = createServer((_request, response) => response.end('mine'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const own = await registerService({
      name: 'own',
      port: (server.address() as { port: number }).port,
      server,
      consul: { address: setup.address },
      signals: 'ignore',
      propagationMs: 0,
      close: () =>
        new Promise((resolve) =>
          server.close(() => {
            resolve();
          }),
        ),
      log: () => undefined,
    });
    onTestFinished(() => own.stop());
    const services = JSON.parse((await get(`${setup.address}/v1/agent/services`)).body) as Record<
      string,
      { Meta: Record<string, string> }
    >;
    for (const { id } of [handle, own]) expect(services[id]?.Meta['roundhouse-identity']).toBe('1');
    for (const [at, id] of [
      [url, handle.id],
      [`http://127.0.0.1:${own.port}/`, own.id],
    ] as const) {
      const answer = await fetch(`${at}.well-known/roundhouse/instance`);
      expect([answer.status, answer.headers.get('roundhouse-instance')]).toEqual([204, id]);
    }
  });
});
