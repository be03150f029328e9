import { once } from 'node:events';
import http from 'node:http';

import { expect, it } from 'vitest';
import WebSocket from 'ws';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess, untilPassing, type GatewayProcess } from '../kit/system.ts';
import { chaosProgram } from './rig/program.ts';
import { calm } from './rig/scale.ts';
import { faultsIn, nothingLost } from './rig/verdict.ts';
import { startWorld } from './rig/world.ts';

const gatewayEnv = { GATEWAY_DRAIN_NOTICE_MS: '1000', GATEWAY_DRAIN_TIMEOUT_MS: '4000' };

/** A TCP balancer as one finds it in front: new connections go in turn to gateways whose `/readyz` says yes. */
async function startBalancer(gateways: readonly GatewayProcess[]): Promise<{
  readonly url: string;
  readonly process: TestProcess;
}> {
  const backends = gateways.map(({ port, adminUrl }) => ({ port, ready: `${adminUrl}/readyz` }));
  const process = await startProcess({ args: [chaosProgram('balancer'), JSON.stringify(backends)] });
  const [, port = ''] = await process.waitFor(/balancer on (\d+)/);
  return { url: `http://127.0.0.1:${port}`, process };
}

/** An upload that is under way: half of its body is sent. */
function startUpload(url: string): {
  readonly finish: () => void;
  readonly status: Promise<number | undefined>;
} {
  const request = http.request(`${url}/api/upload`, { method: 'POST', agent: false });
  const status = new Promise<number | undefined>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      response.resume().once('end', () => {
        resolve(response.statusCode);
      });
    });
  });
  request.write('x'.repeat(100_000));
  return {
    finish: () => {
      request.end('y'.repeat(100_000));
    },
    status,
  };
}

consulOrSkip('a gateway that gets SIGTERM under load, beside a second one', (path) => {
  it('refuses and cuts nothing: keep-alive clients, an upload; WebSockets are told to go elsewhere', async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address, gatewayEnv });
    await using second = await startGatewayProcess(consul.address, { env: gatewayEnv });
    await untilPassing(second, 'api-service', 3);
    const balancer = await startBalancer([world.gateway, second]);
    await using _balancer = balancer.process;
    const load = await world.startLoad({ url: balancer.url });
    await load.untilAnswered(calm);

    const upload = startUpload(world.gateway.url);
    const sockets = Array.from({ length: 5 }, () => new WebSocket(`${world.gateway.url}/api/ws`));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    const closes = sockets.map(async (socket) => {
      const [code] = (await once(socket, 'close')) as [number];
      return { code, atMs: performance.now() };
    });

    world.gateway.process.signal('SIGTERM');
    const signalledMs = performance.now();
    await eventually(async () => {
      expect((await get(`${world.gateway.adminUrl}/readyz`)).status).toBe(503);
    });
    // It still serves requests that arrive before the balancer has noticed, and says that it is leaving.
    expect((await get(`${world.gateway.url}/api/x`)).status).toBe(200);
    for (const socket of sockets) socket.send('still there?');
    await Promise.all(sockets.map((socket) => once(socket, 'message')));
    upload.finish();
    expect(await upload.status).toBe(200);

    const closed = await Promise.all(closes);
    expect(closed.map(({ code }) => code)).toEqual(sockets.map(() => 1012));
    expect(Math.min(...closed.map(({ atMs }) => atMs)) - signalledMs).toBeGreaterThan(1_000);
    expect(await world.gateway.process.ended).toEqual({ code: 0, signal: null });
    await load.untilAnswered(calm);
    const { verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    expect([...faultsIn(second.process), ...faultsIn(balancer.process)]).toEqual([]);
  });
});
