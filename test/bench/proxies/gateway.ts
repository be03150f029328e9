import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { repositoryRoot } from '../../kit/processes.ts';
import type { Contender, Found } from './contender.ts';

const cli = 'gateway/dist/cli.js';

/** A build of the gateway. */
export interface GatewayBuild {
  readonly name: string;
  readonly title: string;
  /** Its checkout, built. */
  readonly folder: string;
}

/** The gateway as it is built, with its whole pipeline, following the registry; access log off. */
export function gatewayContender(engine: string, build?: GatewayBuild): Contender {
  const folder = build?.folder ?? repositoryRoot;
  return {
    name: build?.name ?? engine,
    title: build?.title ?? `Roundhouse, engine ${engine}`,
    find: () => findEngine(engine, folder),
    prepare: ({ port, adminPort, consulPort, connections }) => ({
      command: process.execPath,
      args: [join(folder, cli), 'run'],
      env: {
        GATEWAY_ENGINE: engine,
        GATEWAY_HOST: '127.0.0.1',
        GATEWAY_PORT: String(port),
        GATEWAY_ADMIN_PORT: String(adminPort),
        ...(connections === undefined ? {} : { GATEWAY_LIMITS_CONNECTIONS: String(connections) }),
        GATEWAY_ANNOUNCE: 'off',
        CONSUL_HTTP_ADDR: `http://127.0.0.1:${consulPort}`,
        ACCESS_LOG: 'off',
        LOG_LEVEL: 'warn',
      },
    }),
  };
}

function findEngine(engine: string, folder: string): Found {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'validate'], {
    cwd: folder,
    env: { PATH, HOME, NO_COLOR: '1', GATEWAY_ENGINE: engine },
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status === 0) return { kind: 'found', version: 'this commit' };
  return {
    kind: 'missing',
    reason: `the gateway does not take engine ${engine}: ${lastLine(stdout + stderr)}`,
  };
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
