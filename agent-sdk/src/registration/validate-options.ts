import type { ConsulSettings } from '../discovery/environment.ts';

import type { PortChoice } from './bind.ts';
import { isServer } from './handler.ts';
import {
  dayMs,
  type Environment,
  readAddress,
  readCheck,
  readConsul,
  readMeta,
  readPort,
  readRoutes,
  readTags,
  setIn,
} from './option-fields.ts';
import { defaults } from './options.ts';
import { createOptionReader, type OptionReader } from './option-reader.ts';
import { ServiceError } from './service-error.ts';

/** Options of both calls, complete and believed. */
export interface CheckedOptions {
  readonly name: string;
  readonly id: string | undefined;
  readonly address: { readonly address: string; readonly from: string } | undefined;
  /** The route tags first, then the caller's. */
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly version: string | undefined;
  readonly weight: number;
  readonly httpCheck: { readonly path: string; readonly intervalMs: number } | undefined;
  readonly ttlMs: number;
  readonly deregisterCriticalAfterMs: number;
  /** Undefined: none are asked. */
  readonly gateways: string | undefined;
  readonly acknowledgeTimeoutMs: number;
  readonly propagationMs: number;
  readonly drainTimeoutMs: number;
  readonly identity: 'answer' | 'off';
  readonly signals: 'handle' | 'ignore';
  readonly consul: ConsulSettings;
  /** Not wrong, but worth saying once. */
  readonly warnings: readonly string[];
}

/** Options of startService beside them. */
export interface CheckedListenOptions {
  readonly port: PortChoice;
  /** The setting that chose the port, for messages. */
  readonly portOrigin: string;
  readonly host: string | undefined;
}

const common = [
  'name routes address id tags meta version weight check ttlMs deregisterCriticalAfterMs gateways',
  'acknowledgeTimeoutMs propagationMs drainTimeoutMs identity ready close signals consul log port',
]
  .join(' ')
  .split(' ');

/** Checks the options of registerService. Throws ServiceError `invalid_options` with every problem at once. */
export function checkRegisterOptions(
  options: object,
  env: Environment,
): CheckedOptions & { readonly port: number } {
  const read = createOptionReader(options);
  read.unknownKeys([...common, 'server']);
  const checked = readCommon(read, env);
  const port = read.integer('port', { min: 1, max: 65_535 });
  if (read.has('server') && !('server' in options && isServer(options.server)))
    read.problem('server', 'must be a server of node:http or node:https');
  if (port === undefined && !('port' in options))
    read.problem('port', 'is missing: the port the process listens on');
  throwProblems(read.problems);
  return { ...checked, port: port ?? 0 };
}

/** Checks the options of startService. Throws ServiceError `invalid_options` with every problem at once. */
export function checkServiceOptions(
  options: object,
  env: Environment,
): CheckedOptions & { readonly listen: CheckedListenOptions } {
  const read = createOptionReader(options);
  read.unknownKeys([...common, 'handler', 'host']);
  const checked = readCommon(read, env);
  const { port, origin } = readPort(read, env);
  const host =
    read.text('host', { pattern: /^\S+$/u, allowed: 'an IP address or a host name' }) ?? setIn(env, 'HOST');
  throwProblems(read.problems);
  // One address, so that the port we register is the port that is bound: `localhost` can mean two.
  return {
    ...checked,
    listen: { port, portOrigin: origin, host: host === 'localhost' ? '127.0.0.1' : host },
  };
}

function readCommon(read: OptionReader, env: Environment): CheckedOptions {
  const label = {
    pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/iu,
    allowed: 'letters, digits and hyphens, at most 63 (one DNS label)',
  };
  const name = read.text('name', label);
  if (name === undefined && !read.has('name'))
    read.problem('name', 'is missing: the name of the service, for instance api-service');
  const signals = read.text('signals', { pattern: /^(handle|ignore)$/u, allowed: "'handle' or 'ignore'" });
  const identity = read.text('identity', { pattern: /^(answer|off)$/u, allowed: "'answer' or 'off'" });
  const gateways =
    read.text('gateways', {
      pattern: /^[a-z0-9_][a-z0-9_.-]{0,127}$/iu,
      allowed: 'the name under which gateways are registered, or off',
    }) ?? defaults.gateways;
  read.callback('ready');
  read.callback('close');
  read.callback('log');
  const consul = readConsul(read, env);
  return {
    name: name ?? '',
    id: read.text('id', {
      pattern: /^[a-z0-9][a-z0-9._:-]{0,127}$/iu,
      allowed: 'letters, digits and . _ : -, at most 128',
    }),
    address: readAddress(read, env),
    tags: [...readRoutes(read), ...readTags(read)],
    meta: readMeta(read),
    version: read.text('version', {
      pattern: /^[\x20-\x7e]{1,128}$/u,
      allowed: '1 to 128 printable ASCII characters',
    }),
    weight: read.integer('weight', { min: 1, max: 65_535 }) ?? defaults.weight,
    httpCheck: readCheck(read),
    ttlMs: read.integer('ttlMs', { min: 1_000, max: dayMs }) ?? defaults.ttlMs,
    deregisterCriticalAfterMs:
      read.integer('deregisterCriticalAfterMs', { min: 60_000, max: 30 * dayMs }) ??
      defaults.deregisterCriticalAfterMs,
    gateways: gateways === 'off' || gateways.toLowerCase() === name?.toLowerCase() ? undefined : gateways,
    acknowledgeTimeoutMs:
      read.integer('acknowledgeTimeoutMs', { min: 0, max: 60_000 }) ?? defaults.acknowledgeTimeoutMs,
    propagationMs: read.integer('propagationMs', { min: 0, max: 60_000 }) ?? defaults.propagationMs,
    drainTimeoutMs: read.integer('drainTimeoutMs', { min: 0, max: dayMs }) ?? defaults.drainTimeoutMs,
    identity: identity === 'off' ? 'off' : 'answer',
    signals: signals === 'ignore' ? 'ignore' : 'handle',
    ...consul,
  };
}

function throwProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new ServiceError('invalid_options', [...new Set(problems)]);
}
