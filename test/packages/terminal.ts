import { delimiter } from 'node:path';

import { startProcess, type TestProcess } from '../kit/processes.ts';

/** What a person does in a folder: commands are counted, and must not fail. */
export interface Terminal {
  /** Runs a command to its end and returns what it wrote. Rejects with that when it fails. */
  type(command: string, env?: Readonly<Record<string, string>>): Promise<string>;
  /** Starts a command that stays: another terminal. Ctrl-C is `interrupt`. */
  start(command: string, env?: Readonly<Record<string, string>>): Promise<TestProcess>;
  /** Commands so far. */
  readonly commands: number;
}

/** What npm needs of the machine's environment: proxies and certificates. */
const passedOn = Object.fromEntries(
  Object.entries(process.env).filter(([name]) =>
    /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_\w+|npm_config_registry)$/i.test(name),
  ),
);

/** A terminal in a folder. `path`: where commands are looked for first. */
export function openTerminal(cwd: string, path: readonly string[] = []): Terminal {
  let commands = 0;
  const PATH = [...path, process.env['PATH'] ?? ''].join(delimiter);
  const start = (command: string, env: Readonly<Record<string, string>> = {}): Promise<TestProcess> => {
    commands += 1;
    return startProcess({
      command: '/bin/sh',
      args: ['-c', `exec ${command}`],
      cwd,
      env: { ...passedOn, PATH, npm_config_yes: 'true', npm_config_update_notifier: 'false', ...env },
    });
  };
  return {
    start,
    async type(command, env) {
      await using typed = await start(command, env);
      const { code } = await typed.ended;
      if (code !== 0) throw new Error(`${command}: code ${String(code)}\n${typed.output()}`);
      return typed.output();
    },
    get commands() {
      return commands;
    },
  };
}

/**
 * Ctrl-C: the signal goes to everything that the command has started. Resolves with the last line of the output when all of that has
 * ended. (Without the exit code: npx ends by the signal, whatever its command did with it.)
 */
export async function interrupt(typed: TestProcess): Promise<string | undefined> {
  process.kill(-typed.pid, 'SIGINT');
  await typed.ended;
  return typed.output().trimEnd().split('\n').at(-1);
}
