/**
 * `npm run soak:reload`: 1,000 other configurations of 500 routes under 2,000 requests a second (`--quick`: 100). It prints the requests that failed,
 * the kept connections that were closed, how long a change took, and the gateway's heap in the first and in the last fifth.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { get, startLoad } from '../kit/load.ts';
import { freePorts } from '../kit/ports.ts';
import { startProcess } from '../kit/processes.ts';
import type { BenchArguments } from './arguments.ts';
import { untilAnswers } from './backdrop.ts';
import { runCommand } from './command.ts';
import { percentile } from './statistics.ts';

const limitMs = 10 * 60_000;
const routes = 500;
const ratePerSecond = 2_000;
/** Requests that wait at a time: a machine that can't keep up sends fewer. */
const connections = 64;
const idleConnections = 8;
/** The load begins before the first reload and ends after the last one. */
const marginMs = 1_000;
const betweenMs = 150;

/** 500 routes to one service; every second one has another prefix and other settings with each `round`. */
function configuration(round: number, origin: number): string {
  const rows = Array.from({ length: routes - 1 }, (_, index) => {
    const name = index % 2 === 0 ? `route${index}` : `route${index}-${round % 7}`;
    return `  - { prefix: /${name}, service: origin, timeouts: { responseHeadMs: ${30_000 + (round % 5)} } }`;
  });
  return [
    'configWatch: off',
    `limits: { bodyBytes: ${1_000_000 + round} }`,
    'services:',
    `  origin: { instances: ['127.0.0.1:${origin}'], maxRequests: ${5_000 + (round % 3)} }`,
    'routes:',
    '  - { prefix: /, service: origin }',
    ...rows,
  ].join('\n');
}

async function soak({ pace }: BenchArguments): Promise<void> {
  const reloads = pace === 'quick' ? 100 : 1_000;
  const [origin = 0, consul = 0, port = 0, admin = 0] = await freePorts(4);
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-soak-'));
  const path = join(folder, 'gateway.yaml');
  const adminUrl = `http://127.0.0.1:${admin}`;
  await writeFile(path, configuration(0, origin));
  await using _origin = await startProcess({ args: ['test/bench/peers/origin.mjs', String(origin)] });
  await using _agent = await startProcess({
    args: ['gateway/dist/cli.js', 'consul', '--port', String(consul)],
  });
  await using gateway = await startProcess({
    args: [
      'gateway/dist/cli.js',
      'run',
      '--config',
      path,
      '--port',
      String(port),
      '--admin-port',
      String(admin),
    ],
    env: {
      CONSUL_HTTP_ADDR: `127.0.0.1:${consul}`,
      ACCESS_LOG: 'off',
      LOG_LEVEL: 'warn',
      GATEWAY_ANNOUNCE: 'off',
    },
  });
  await untilAnswers(`http://127.0.0.1:${port}/small`);

  let isOver = false;
  const agent = new http.Agent({ keepAlive: true, maxSockets: idleConnections });
  const kept = watchKept(agent, `http://127.0.0.1:${port}/small`, () => isOver);
  const beganMs = performance.now();
  const load = startLoad(`http://127.0.0.1:${port}/small`, ratePerSecond, connections);
  await pause(marginMs);
  const tookMs: number[] = [];
  const roundTripMs: number[] = [];
  const heap: number[] = [];
  for (let round = 1; round <= reloads; round += 1) {
    await writeFile(path, configuration(round, origin));
    const startedMs = performance.now();
    const response = await fetch(`${adminUrl}/api/v1/config/reload`, { method: 'POST' });
    const said = (await response.json()) as { outcome: string; tookMs: number };
    if (said.outcome !== 'applied')
      throw new Error(`${JSON.stringify(said).slice(0, 500)}\n${gateway.output()}`);
    roundTripMs.push(performance.now() - startedMs);
    tookMs.push(said.tookMs);
    if (round % 5 === 0) heap.push(await heapBytes(adminUrl));
    await pause(betweenMs);
  }
  await pause(marginMs);
  isOver = true;
  const { sent, answered, failures } = await load.stop();
  const closed = await kept;
  agent.destroy();
  await gateway.stop();
  await rm(folder, { recursive: true });
  const fifth = Math.ceil(heap.length / 5);
  const least = (bytes: readonly number[]): string => (Math.min(...bytes) / 1_048_576).toFixed(1);
  console.log(
    [
      `reloads of ${routes} routes:        ${reloads}, each one applied`,
      `requests sent, answered 200:  ${sent}, ${answered - failures.length} (${Math.round((sent * 1_000) / (performance.now() - beganMs))}/s)`,
      ...failures.slice(0, 5),
      `kept connections, closed:     ${idleConnections}, ${closed}`,
      `apply, in the gateway (ms):   p50 ${percentile(tookMs, 0.5)}, p99 ${percentile(tookMs, 0.99)}, most ${Math.max(...tookMs)}`,
      `round trip (ms):              p50 ${percentile(roundTripMs, 0.5).toFixed(0)}, p99 ${percentile(roundTripMs, 0.99).toFixed(0)}`,
      `least heap used (MB):         ${least(heap.slice(0, fifth))} in the first fifth, ${least(heap.slice(-fifth))} in the last`,
    ].join('\n'),
  );
  if (failures.length > 0 || answered < sent || closed > 0) process.exitCode = 1;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Uses connections of its own four times a second each, and resolves with how many of them were closed. */
async function watchKept(agent: http.Agent, url: string, isOver: () => boolean): Promise<number> {
  const sockets = new Set<Socket>();
  let closed = 0;
  agent.on('free', (socket: Socket) => {
    if (sockets.has(socket)) return;
    sockets.add(socket);
    socket.once('close', () => (closed += 1));
  });
  while (!isOver()) {
    await Promise.all(
      Array.from({ length: idleConnections }, () => get(url, agent).catch(() => (closed += 1))),
    );
    await pause(250);
  }
  return closed;
}

async function heapBytes(adminUrl: string): Promise<number> {
  const { body } = await get(`${adminUrl}/metrics`);
  return Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(body)?.[1] ?? 0);
}

await runCommand(limitMs, soak);
