import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { processConfig } from '../../gateway/src/commands/config-source.ts';
import type { Log } from '../../gateway/src/telemetry/log.ts';
import { startFleet, type Fleet } from './fleet.ts';

/** A gateway that follows a configuration file, with its fleet. Ends by disposal. */
export interface ConfiguredFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  /** The file's folder, and the file in it. */
  readonly folder: string;
  readonly path: string;
  /** Writes the file, and has it applied by the admin API. */
  reload(text: string): Promise<{ readonly status: number; readonly body: string }>;
}

const quiet = (): void => undefined;
const noLog: Log = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet };

/** Starts it with a text; `prepare` may put the file elsewhere than at `gateway.yaml` in the folder, and returns where. */
export async function startConfiguredFleet(
  text: string,
  flags: Readonly<Record<string, string>> = {},
  prepare = async (folder: string): Promise<string> => {
    await writeFile(join(folder, 'gateway.yaml'), text);
    return join(folder, 'gateway.yaml');
  },
): Promise<ConfiguredFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-config-'));
  const path = await prepare(folder);
  const { loaded, source } = processConfig({
    ...{ config: path, announce: 'off', host: '127.0.0.1', port: '0', adminPort: '0' },
    ...{ drainNoticeMs: '0', drainTimeoutMs: '1000', accessLog: 'off', ...flags },
  });
  const fleet = await startFleet(loaded.config, { source: source(noLog) });
  return {
    fleet,
    folder,
    path,
    reload: async (next) => {
      await writeFile(path, next);
      const url = `${fleet.gateway.adminUrl}/api/v1/config/reload`;
      const response = await fetch(url, { method: 'POST' });
      return { status: response.status, body: await response.text() };
    },
    async [Symbol.asyncDispose]() {
      await fleet[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
