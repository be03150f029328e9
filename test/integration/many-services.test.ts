import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startTestGateway, type TestGateway } from '../kit/start-gateway.ts';

/**
 * An agent with Consul's defaults takes 200 connections from one address. A gateway that follows more services than that shares them with
 * everything else on its host.
 */

const count = 260;

/** An instance that answers everything. */
async function origin(): Promise<number> {
  const server = http.createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A registration, over a connection of its own. Resolves with the status, or the code of the error. */
function register(consulUrl: string, name: string, port: number, id = name): Promise<number | string> {
  return new Promise((resolve) => {
    const request = http.request(`${consulUrl}/v1/agent/service/register`, { method: 'PUT', agent: false });
    request.on('response', (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode ?? 0);
      });
    });
    request.on('error', (error) => {
      resolve('code' in error ? String(error.code) : error.message);
    });
    const tags = [`urlprefix-/${name}`];
    request.end(JSON.stringify({ ID: id, Name: name, Address: '127.0.0.1', Port: port, Tags: tags }));
  });
}

const ready = (world: TestGateway): Promise<void> =>
  eventually(async () => {
    expect((await get(`${world.adminUrl}/readyz`)).status).toBe(200);
  });

const limitLines = (world: TestGateway): number => world.log().split('http_max_conns_per_client').length - 1;

consulOrSkip('a gateway with more services than connections', () => {
  it('serves all of them, lets others register, knows news, and is ready at once after quick restarts', async () => {
    const consul = await startRealConsul();
    onTestFinished(() => consul.stop());
    const consulUrl = consul.address;
    const port = await origin();
    for (let number = 0; number < count; number += 1)
      expect(await register(consulUrl, `s${number}`, port)).toBe(200);

    const start = async (): Promise<TestGateway> => startTestGateway({ routes: [] }, { consulUrl });
    const world = await start();
    onTestFinished(() => world[Symbol.asyncDispose]());
    await ready(world);
    const answers = await Promise.all(
      Array.from({ length: count }, (_, number) => get(`${world.url}/s${number}`)),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);

    // Neighbours, all at once.
    const calls = await Promise.all(
      Array.from({ length: 80 }, (_, number) => register(consulUrl, `n${number}`, port)),
    );
    expect(calls.filter((status) => status !== 200)).toEqual([]);
    await eventually(async () => {
      expect((await get(`${world.url}/n79`)).status).toBe(200);
    });
    // Another instance of each: by watch where there is a seat, else in turn.
    const second = await origin();
    for (let number = 0; number < count; number += 1)
      expect(await register(consulUrl, `s${number}`, second, `s${number}-2`)).toBe(200);
    await eventually(() => {
      const known = world.gateway.registry.services.filter(({ upstream }) => upstream.endpoints.length === 2);
      expect(known).toHaveLength(count);
    }, 15_000);
    expect(limitLines(world)).toBe(0);

    // The agent still counts the reads of gateways that have gone.
    await world[Symbol.asyncDispose]();
    const others = [await start(), await start()];
    for (const other of others) onTestFinished(() => other[Symbol.asyncDispose]());
    for (const other of others) {
      await ready(other);
      expect((await get(`${other.url}/s${count - 1}`)).status).toBe(200);
    }
    await eventually(() => {
      expect(others.map(limitLines)).toContain(1);
    }, 15_000);
    for (const { gateway } of others)
      expect(gateway.registry.services.filter(({ watch }) => watch.kind !== 'live')).toEqual([]);
  }, 60_000);
});
