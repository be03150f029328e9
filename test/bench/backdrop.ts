import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { freePorts } from '../kit/ports.ts';
import { benchService, type Start } from './proxies/contender.ts';
import { findNginx, nginxOrigins } from './proxies/nginx.ts';

/**
 * `web`: GETs of fixed size, by nginx where it is installed. `node`: uploads and WebSockets, by a small Node server. `…-apart`: the
 * same, but `/small` is a service with an origin of its own, so that its responses don't wait behind others there.
 */
export type OriginKind = 'web' | 'web-apart' | 'node' | 'node-apart';

/** What stands around the proxies for a whole run: origins, a registry, a folder. Ends by `stop`, and with this process. */
export interface Backdrop {
  readonly folder: string;
  readonly consulPort: number;
  /** For the report. */
  readonly description: string;
  originPorts(kind: OriginKind): readonly number[];
  /** Where `/small` is served; undefined: by all origins. */
  smallPort(kind: OriginKind): number | undefined;
  /** Makes the two origins of a kind the instances of the service, in place of the ones before; `/small` stays apart from then on. */
  register(kind: OriginKind): Promise<void>;
  stop(): Promise<void>;
}

export async function startBackdrop(): Promise<Backdrop> {
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-bench-'));
  chmodSync(folder, 0o755);
  const removeFolder = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', removeFolder);
  const children: TestProcess[] = [];
  const launch = async ({ command, args, env }: Start): Promise<TestProcess> => {
    const child = await startProcess({ command, args, ...(env === undefined ? {} : { env }) });
    children.push(child);
    return child;
  };

  const [web1 = 0, web2 = 0, node1 = 0, node2 = 0, small = 0, consulPort = 0] = await freePorts(6);
  const [web, node] = [
    [web1, web2],
    [node1, node2],
  ] as const;
  const ports = { web, 'web-apart': web, node, 'node-apart': node };
  const nodeOrigins = (list: readonly number[]): Start => ({
    command: process.execPath,
    args: ['test/bench/peers/origin.mjs', ...list.map(String)],
  });
  const nginx = findNginx();
  for (const [name, list] of Object.entries({ web: ports.web, small: [small] }))
    await launch(nginx.kind === 'found' ? nginxOrigins(join(folder, name), list) : nodeOrigins(list));
  await launch(nodeOrigins(ports.node));
  await launch({
    command: process.execPath,
    args: ['gateway/dist/cli.js', 'consul', '--port', String(consulPort)],
  });
  const stop = async (): Promise<void> => {
    process.off('exit', removeFolder);
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
    removeFolder();
  };
  try {
    await Promise.all([
      ...[...ports.web, ...ports.node, small].map((port) => untilAnswers(`http://127.0.0.1:${port}/small`)),
      untilAnswers(`http://127.0.0.1:${consulPort}/v1/agent/services`),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    folder,
    consulPort,
    description: `origins: ${nginx.kind === 'found' ? `nginx ${nginx.version} with one worker on two ports, and one more for \`/small\` in \`fair\`` : 'node:http, as nginx is not installed'} (uploads and WebSockets: node:http); registry: the embedded agent`,
    originPorts: (kind) => ports[kind],
    smallPort: (kind) => (kind.endsWith('-apart') ? small : undefined),
    async register(kind) {
      const records = ports[kind].map((port, k) => ({ ID: `origin-${k}`, Name: benchService, Port: port }));
      const apart = { ID: 'small', Name: 'small-service', Port: small, Tags: ['urlprefix-/small'] };
      for (const record of kind.endsWith('-apart') ? [...records, apart] : records) {
        const response = await fetch(`http://127.0.0.1:${consulPort}/v1/agent/service/register`, {
          method: 'PUT',
          body: JSON.stringify({ ...record, Address: '127.0.0.1' }),
        });
        if (!response.ok) throw new Error(`the registry refuses an origin: ${await response.text()}`);
      }
    },
    stop,
  };
}

/** Waits until a URL answers 200. */
export async function untilAnswers(url: string, deadlineMs = 15_000): Promise<void> {
  await eventually(async () => {
    const { status } = await get(url, undefined, { connection: 'close' });
    if (status !== 200) throw new Error(`${url} answers ${status}`);
  }, deadlineMs);
}
