import { readFileSync } from 'node:fs';

import {
  type ConsulOptions,
  consulSettings,
  createConsulClient,
  type RegistryClient,
} from '@roundhouse/agent-sdk/internal';

import { readConfigFile } from '../config/config-file.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { loadConfig, type LoadedConfig } from '../config/load-config.ts';
import { formatProblems } from '../config/problems.ts';
import { createLog, logFormat, type Log, type LogFormat } from '../telemetry/log.ts';
import { createStdoutSink } from '../telemetry/log-output.ts';
import type { LogSink } from '../telemetry/log-sink.ts';

/** Flags as commander gives them. */
export type Flags = Readonly<Record<string, string | undefined>>;

/** Exit codes, as Caddy has them: a start that failed should not be tried again unchanged. */
export const exitCodes = { ok: 0, failedStart: 1, forced: 2 } as const;

/** A command can't go on; the message is for the person at the terminal, and the process ends with the code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failedStart) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The version in the gateway's package.json. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}

/** The configuration from file, environment and flags; throws a {@link CommandError} that lists every problem. */
export function configOrFail(flags: Flags): Extract<LoadedConfig, { kind: 'config' }> {
  const loaded = loadConfig({ env: process.env, flags, readFile: readConfigFile });
  if (loaded.kind === 'invalid') throw new CommandError(formatProblems(loaded.problems));
  return loaded;
}

/** Everything that a gateway process writes to. */
export interface ProgramLog {
  readonly log: Log;
  readonly sink: LogSink;
  readonly format: LogFormat;
}

/** The log on stdout; readable on a terminal, JSON elsewhere unless a person reads it anyway. Flush the sink before the process ends. */
export function programLog({ level }: GatewayConfig['log'], reader: 'person' | 'any' = 'any'): ProgramLog {
  const usual = logFormat(process.stdout.isTTY ? 'terminal' : 'other', process.env);
  const format = reader === 'person' && usual === 'json' ? 'plain' : usual;
  const sink = createStdoutSink(format);
  return { log: createLog({ level, format, sink }), sink, format };
}

/** A client for the Consul that `CONSUL_*` and `options` name; throws a {@link CommandError} that lists every problem. */
export function consulOrFail(
  options: ConsulOptions,
  limits: GatewayConfig['consul'],
): {
  readonly client: RegistryClient;
  readonly warnings: readonly string[];
} {
  const result = consulSettings(process.env, options);
  if (result.kind === 'invalid')
    throw new CommandError(result.problems.map((problem) => `✖ ${problem}`).join('\n'));
  return { client: createConsulClient(result.settings, limits), warnings: result.warnings };
}
