import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { startService } from '@roundhouse/agent-sdk';
import {
  identityMetaKey,
  identityMetaValue,
  readRoutingStatus,
  routingKeyMetaKey,
  routingStatusTarget,
} from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestGateway, type TestGateway } from '../kit/start-gateway.ts';

/** An instance whose requests say its name, and whose `/healthz` answers what it is told to. Ends by disposal. */
async function startInstance(name: string) {
  let health = 200;
  const server: Server = createServer((request, response) => {
    if (request.url === '/healthz') response.writeHead(health);
    response.end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    set: (status: number) => {
      health = status;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const names = async (gateway: TestGateway, count: number): Promise<Set<string>> => {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) seen.add(await (await fetch(`${gateway.url}/x`)).text());
  return seen;
};

const checks = { ...defaults.checks, kind: 'http', path: '/healthz', rise: 2, fall: 2 } as const;

describe('the gateway checks instances itself', () => {
  it('and sends nothing to one that fails, until it is well again', async () => {
    await using a = await startInstance('a');
    await using b = await startInstance('b');
    const instances = [a, b].map(({ port }) => ({ address: '127.0.0.1', port }));
    await using gateway = await startTestGateway({
      services: [{ service: 'webapp-service', instances, settings: { checks: { intervalMs: 20 } } }],
      checks,
    });
    expect(await names(gateway, 10)).toEqual(new Set(['a', 'b']));
    a.set(503);
    await eventually(() => {
      expect(gateway.log()).toContain('fails its checks and is left out: answered 503');
    });
    expect(await names(gateway, 20)).toEqual(new Set(['b']));
    a.set(200);
    await eventually(async () => {
      expect(await names(gateway, 4)).toEqual(new Set(['a', 'b']));
    });
    expect(gateway.log()).toContain('passes its checks again');
  });

  it('and blames no instance for a stall of its own (G6)', async () => {
    await using a = await startInstance('a');
    await using gateway = await startTestGateway({
      services: [
        {
          service: 'webapp-service',
          instances: [{ address: '127.0.0.1', port: a.port }],
          settings: { checks: { intervalMs: 20, timeoutMs: 100, fall: 1 } },
        },
      ],
      checks,
    });
    for (let stall = 0; stall < 5; stall++) {
      // A few turns in between, so that checks are under way when the loop stalls.
      expect(await names(gateway, 5)).toEqual(new Set(['a']));
      const end = performance.now() + 250;
      while (performance.now() < end);
    }
    expect(await names(gateway, 5)).toEqual(new Set(['a']));
    expect(gateway.log()).not.toContain('fails its checks');
  });
});

describe('an instance that asks how it stands', () => {
  const ask = async (gateway: TestGateway, service: string, id: string): Promise<string> => {
    const records = await (await fetch(`${gateway.consulUrl}/v1/agent/services`)).json();
    const meta = (records as Readonly<Record<string, { Meta: Readonly<Record<string, string>> }>>)[id]?.Meta;
    const key = meta?.[routingKeyMetaKey] ?? 'none';
    const answer = await fetch(`${gateway.url}${routingStatusTarget({ service, id, key })}`);
    const status = readRoutingStatus({ status: answer.status, body: await answer.text() });
    return status === undefined ? 'no answer' : `${status.state}: ${status.reason}`;
  };

  it('hears that it is live, that a stranger answers at its address, or that it is unknown', async () => {
    await using gateway = await startTestGateway();
    const handle = await startService({
      name: 'api-service',
      host: '127.0.0.1',
      handler: (_request, response) => response.end('hello'),
      consul: { address: gateway.consulUrl },
      signals: 'ignore',
      log: () => undefined,
    });
    try {
      await eventually(async () => {
        expect(await ask(gateway, 'api-service', handle.id)).toBe('live: ');
      });
      const stranger = routingStatusTarget({ service: 'api-service', id: handle.id, key: 'guessed' });
      const told = await fetch(`${gateway.url}${stranger}`);
      expect([told.status, await told.json()]).toMatchObject([404, { code: 'no_route' }]);
      // Registered where another instance answers by now.
      await fetch(`${gateway.consulUrl}/v1/agent/service/register`, {
        method: 'PUT',
        body: JSON.stringify({
          Name: 'api-service',
          ID: 'ghost',
          Address: '127.0.0.1',
          Port: handle.port,
          Meta: { [identityMetaKey]: identityMetaValue, [routingKeyMetaKey]: 'k' },
        }),
      });
      await eventually(async () => {
        expect(await ask(gateway, 'api-service', 'ghost')).toBe(
          'out: wrong instance: another process answers at its address',
        );
      });
      expect(await ask(gateway, 'api-service', 'nobody')).toBe('unknown: ');
    } finally {
      await handle.stop();
    }
    expect(await ask(gateway, 'api-service', handle.id)).toBe('unknown: ');
  });
});
