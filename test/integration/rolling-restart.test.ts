import http from 'node:http';

import { type ServiceEvent, type ServiceHandle, startService } from '@roundhouse/agent-sdk';
import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { startLoad } from '../kit/load.ts';
import { startTestGateway } from '../kit/start-gateway.ts';

const instances = 3;
const restarts = 50;
const posters = 4;
const readsPerSecond = 100;

/** What one instance has executed: ids of POSTs, in order. */
type Journal = string[];

/** An instance that answers with its name, and to a POST with the body it got, after writing it down. */
function startInstance(
  { consulUrl, journal, events }: { consulUrl: string; journal: Journal; events: ServiceEvent[] },
  id: string,
): Promise<ServiceHandle> {
  return startService({
    name: 'api-service',
    id,
    routes: ['/api'],
    port: 0,
    host: '127.0.0.1',
    handler: (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (text: string) => (body += text));
      request.on('end', () => {
        if (request.method === 'POST') journal.push(body);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ instance: id, body }));
      });
    },
    consul: { address: consulUrl },
    signals: 'ignore',
    // Far longer than it takes: a busy machine may make a drain slow, but not lossy.
    acknowledgeTimeoutMs: 30_000,
    drainTimeoutMs: 30_000,
    log: (event) => events.push(event),
  });
}

/** Clients that each POST one unique id after the other on a connection of their own. */
function startPosters(url: string, count: number) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: count });
  const answered: string[] = [];
  const failures: string[] = [];
  let phase: 'running' | 'stopping' = 'running';
  const isRunning = (): boolean => phase === 'running';
  const one = async (id: string): Promise<void> => {
    try {
      const { status, body } = await post(url, id, agent);
      const echoed = status === 200 ? (JSON.parse(body) as { body: string }).body : undefined;
      if (echoed === id) answered.push(id);
      else failures.push(`${id}: ${status} ${body.slice(0, 300)}`);
    } catch (error) {
      failures.push(`${id}: ${String(error)}`);
    }
  };
  const workers = Array.from({ length: count }, async (_, worker) => {
    for (let i = 0; isRunning(); i += 1) await one(`${worker}-${i}`);
  });
  return {
    async stop() {
      phase = 'stopping';
      await Promise.all(workers);
      agent.destroy();
      return { answered, failures };
    },
  };
}

function post(url: string, body: string, agent: http.Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => (text += more));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: text });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe.each(['wire', 'http-proxy'] as const)('a service behind the %s engine', (engine) => {
  it(`loses, repeats and mixes up nothing while its instances restart ${restarts} times under load`, async () => {
    const gateway = await startTestGateway({ engine, announce: 'roundhouse' });
    onTestFinished(() => gateway[Symbol.asyncDispose]());
    await eventually(async () => {
      const answer = await fetch(`${gateway.consulUrl}/v1/health/service/roundhouse`);
      expect(await answer.json()).toHaveLength(1);
    });
    const events: ServiceEvent[] = [];
    const journal: Journal = [];
    const surroundings = { consulUrl: gateway.consulUrl, journal, events };
    const running: ServiceHandle[] = [];
    onTestFinished(async () => {
      await Promise.all(running.map((handle) => handle.stop()));
    });
    for (let i = 0; i < instances; i += 1) running.push(await startInstance(surroundings, `first-${i}`));
    for (const handle of running) expect((await handle.live).gateways).toHaveLength(1);

    const reads = startLoad(`${gateway.url}/api`, readsPerSecond);
    const writes = startPosters(`${gateway.url}/api`, posters);
    for (let i = 0; i < restarts; i += 1) {
      await eventually(() => {
        // Every instance takes part, those of the beginning and those that come.
        expect(reads.report().byInstance.size).toBe(instances + i);
      }, 20_000);
      const leaving = running.shift();
      await leaving?.stop();
      const next = await startInstance(surroundings, `next-${i}`);
      running.push(next);
      await next.live;
    }
    const [read, written] = [await reads.stop(), await writes.stop()];

    expect([...read.failures, ...written.failures]).toEqual([]);
    expect(read.answered).toBe(read.sent);
    expect([...journal].sort()).toEqual([...written.answered].sort());
    expect(new Set(journal).size).toBe(journal.length);
    expect(written.answered.length).toBeGreaterThan(restarts * posters);
    const acknowledged = events.filter(({ kind }) => kind === 'drain_acknowledged');
    expect(acknowledged).toHaveLength(restarts);
    for (const { message } of acknowledged)
      expect(message).toMatch(/^draining acknowledged by 1\/1 gateways in/);
    expect(events.filter(({ kind }) => kind === 'connections_cut' || kind === 'stop_step_failed')).toEqual(
      [],
    );
  }, 120_000);
});
