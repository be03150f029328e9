import { type ConsulOptions, consulSettings } from '../discovery/environment.ts';
import { type RouteInput, routeTag, RouteTagError } from '../discovery/route-tags.ts';

import { isUnspecified } from './advertised-address.ts';
import type { PortChoice } from './bind.ts';
import { createOptionReader, type OptionReader } from './option-reader.ts';
import { defaults } from './options.ts';
import { ServiceError } from './service-error.ts';
import type { CheckedOptions } from './validate-options.ts';

/** Environment variables as a plain record. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const dayMs = 86_400_000;
/** Consul takes 64 pairs; up to five are ours. */
const metaPairs = 59;
const reservedMeta = new Set(['version', 'weight', 'pid', 'started']);

/** How to reach Consul: options, then `CONSUL_*`. */
export function readConsul(
  read: OptionReader,
  env: Environment,
): Pick<CheckedOptions, 'consul' | 'warnings'> {
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(read.record('consul') ?? {})) {
    if (typeof value === 'string') texts[key] = value;
    else if (value !== undefined) read.problem(`consul.${key}`, 'must be a text');
  }
  const result = consulSettings(env, texts satisfies ConsulOptions);
  if (result.kind === 'ok') return { consul: result.settings, warnings: result.warnings };
  read.problems.push(...result.problems);
  return readConsulDefaults();
}

/** Something to go on with until all problems are collected; never used to connect. */
function readConsulDefaults(): Pick<CheckedOptions, 'consul' | 'warnings'> {
  const result = consulSettings({});
  if (result.kind === 'invalid') throw new ServiceError('invalid_options', result.problems);
  return { consul: result.settings, warnings: [] };
}

/** Which port to bind: option, then `PORT`, then the default range. */
export function readPort(
  read: OptionReader,
  env: Environment,
): { readonly port: PortChoice; readonly origin: string } {
  const range = read.isRecord('port') ? read.record('port') : undefined;
  if (range !== undefined) {
    const within = { min: 1, max: 65_535 };
    const inner = createOptionReader(range, 'port.', read.problems);
    inner.unknownKeys(['from', 'to']);
    const from = inner.integer('from', within);
    const to = inner.integer('to', within);
    if (from === undefined || to === undefined || from > to)
      read.problem('port', 'as a range needs two ports, { from: 20000, to: 29999 }, from not above to');
    return { port: { kind: 'range', from: from ?? 0, to: to ?? 0 }, origin: 'option port' };
  }
  const option = read.integer('port', { min: 0, max: 65_535 });
  if (option !== undefined) return { port: portChoice(option), origin: 'option port' };
  const text = setIn(env, 'PORT');
  if (text === undefined) return { port: { kind: 'range', ...defaults.portRange }, origin: 'default' };
  if (!/^\d{1,5}$/u.test(text) || Number(text) > 65_535) {
    read.problems.push(`PORT is "${text.slice(0, 40)}"; it must be a port from 0 (any) to 65535.`);
    return { port: { kind: 'kernel' }, origin: 'PORT' };
  }
  return { port: portChoice(Number(text)), origin: 'PORT' };
}

function portChoice(port: number): PortChoice {
  return port === 0 ? { kind: 'kernel' } : { kind: 'fixed', port };
}

/** The address to register: option, then `ADDRESS`. */
export function readAddress(read: OptionReader, env: Environment): CheckedOptions['address'] {
  const form = {
    pattern: /^[a-z0-9._:-]{1,253}$/iu,
    allowed: 'an IP address or a host name, without port or brackets',
  };
  const option = read.text('address', form);
  const address = option ?? setIn(env, 'ADDRESS');
  const from = option === undefined ? 'ADDRESS' : 'option address';
  if (address === undefined) return undefined;
  if (!form.pattern.test(address))
    read.problems.push(`${from} is "${address.slice(0, 40)}"; it must be ${form.allowed}.`);
  else if (isUnspecified(address))
    read.problems.push(`${from} is ${address}, which nobody can connect to; it must be ${form.allowed}.`);
  return { address, from };
}

/** The routes as the tags that claim them. */
export function readRoutes(read: OptionReader): readonly string[] {
  return read.list('routes').flatMap((entry, index) => {
    const place = `routes[${index}]`;
    if (typeof entry === 'string') return asTag(entry, place, read);
    const inner = createOptionReader(entry, `${place}.`, read.problems);
    inner.unknownKeys(['prefix', 'host', 'strip']);
    const anything = { pattern: /^[^]*$/u, allowed: 'a text' };
    const prefix = inner.text('prefix', anything);
    if (prefix === undefined) {
      read.problem(place, 'needs a prefix, for instance /api');
      return [];
    }
    return asTag(
      { prefix, host: inner.text('host', anything), strip: inner.text('strip', anything) },
      place,
      read,
    );
  });
}

function asTag(route: RouteInput, place: string, read: OptionReader): readonly string[] {
  try {
    return [routeTag(route)];
  } catch (error) {
    if (!(error instanceof RouteTagError)) throw error;
    read.problems.push(`${place}: ${error.message}`);
    return [];
  }
}

/** The caller's own tags. */
export function readTags(read: OptionReader): readonly string[] {
  return read.list('tags').flatMap((tag, index) => {
    if (typeof tag === 'string' && /^[^\p{Cc}]{1,512}$/u.test(tag)) return [tag];
    read.problem(`tags[${index}]`, 'must be a text of 1 to 512 characters without line breaks');
    return [];
  });
}

/** The caller's own meta, within Consul's limits. */
export function readMeta(read: OptionReader): Readonly<Record<string, string>> {
  const meta: Record<string, string> = {};
  const entries = Object.entries(read.record('meta') ?? {});
  if (entries.length > metaPairs) {
    read.problem(
      'meta',
      `has ${entries.length} pairs; Consul takes 64, of which five are ours, so at most ${metaPairs}`,
    );
  }
  for (const [key, value] of entries) {
    const place = `meta.${key.slice(0, 40)}`;
    if (reservedMeta.has(key)) {
      read.problem(
        place,
        key === 'weight' || key === 'version' ? `is ours; use the option ${key}` : 'is ours; use another key',
      );
    } else if (key.toLowerCase().startsWith('roundhouse-')) {
      read.problem(
        place,
        'is ours: keys that begin with roundhouse- tell gateways what this SDK vouches for',
      );
    } else if (!/^[A-Za-z0-9_-]{1,128}$/u.test(key) || key.startsWith('consul-')) {
      read.problem(
        place,
        'is no key that Consul takes: at most 128 of A-Z a-z 0-9 _ -, not beginning with consul-',
      );
    } else if (typeof value !== 'string' || Buffer.byteLength(value) > 512) {
      read.problem(place, 'must be a text of at most 512 bytes');
    } else {
      meta[key] = value;
    }
  }
  return meta;
}

/** The additional HTTP check. */
export function readCheck(read: OptionReader): CheckedOptions['httpCheck'] {
  const check = read.record('check');
  if (check === undefined) return undefined;
  const inner = createOptionReader(check, 'check.', read.problems);
  inner.unknownKeys(['http', 'intervalMs']);
  const path = inner.text('http', { pattern: /^\/[\x21-\x7e]*$/u, allowed: 'a path that begins with /' });
  if (path === undefined && !inner.has('http'))
    read.problem('check', 'needs a path, for instance { http: "/healthz" }');
  const intervalMs = inner.integer('intervalMs', { min: 1_000, max: dayMs }) ?? defaults.checkIntervalMs;
  return { path: path ?? '/', intervalMs };
}

/** An environment variable; empty counts as unset. */
export function setIn(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}
