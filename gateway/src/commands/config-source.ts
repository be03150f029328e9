import { stat } from 'node:fs/promises';

import type { ConfigSource } from '../config/config-control.ts';
import { readConfigFile, type FileRead } from '../config/config-file.ts';
import { isMounted, watchFile } from '../config/file-watch.ts';
import { configFileOf, loadConfig, type LoadedConfig } from '../config/load-config.ts';
import type { Log } from '../telemetry/log.ts';
import { CommandError, type Flags } from './program.ts';
import { formatProblems } from '../config/problems.ts';

/** The file, the environment and the flags of this process, as they are now and whenever the file changes. */
export interface ProcessConfig {
  /** What held at the start. */
  readonly loaded: Extract<LoadedConfig, { kind: 'config' }>;
  /** What a running gateway reads. `log`: for what is to say about the file itself. */
  readonly source: (log: Log) => ConfigSource;
}

/** Only comments and blanks. */
const isEmpty = (text: string): boolean => text.split('\n').every((line) => /^\s*(#.*)?$/.test(line));

/** Reads the configuration of this process; throws a {@link CommandError} that lists every problem. */
export function processConfig(flags: Flags): ProcessConfig {
  let wasThere = false;
  let when: 'once' | 'again' = 'once';
  /** A file that was there and is empty or gone is being written, or was lost; it never means the defaults. */
  const readFile = (path: string): FileRead => {
    const read = readConfigFile(path, when);
    if (read.kind === 'absent' && wasThere) return { kind: 'failed', reason: 'it is gone' };
    if (read.kind !== 'text') return read;
    if (wasThere && isEmpty(read.text))
      return { kind: 'failed', reason: 'it is empty; {} stands for a file without settings' };
    wasThere = !isEmpty(read.text);
    return read;
  };
  const load = (): LoadedConfig => loadConfig({ env: process.env, flags, readFile });
  const loaded = load();
  when = 'again';
  if (loaded.kind === 'invalid') throw new CommandError(formatProblems(loaded.problems));
  const { name } = configFileOf({ env: process.env, flags });
  return {
    loaded,
    source: (log) => ({
      name,
      load,
      follow: async (signal, changed) => {
        if (await isOther(name)) {
          log.warn(`${name} is not a regular file: it was read once, and changes of it are not seen.`);
          return;
        }
        if (await isMounted(name)) {
          log.warn(
            `${name} is mounted as a single file: what replaces it outside is not seen in here. Mount its directory.`,
          );
        }
        await watchFile(name, signal, {
          changed,
          onlyPolled: (reason) => {
            log.warn(`${name} is looked at every 5 s; the system tells no changes (${reason}).`);
          },
        });
      },
    }),
  };
}

/** Whether there is something else than a regular file: a pipe, a device. */
async function isOther(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === false;
}
