import { createHash } from 'node:crypto';

import { valueAt, withValue } from './config-path.ts';
import { describeConfig } from './describe-config.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { isSecret, secretPaths } from './problems.ts';

/** Lines of a difference that are kept; of further ones only the number. */
const maxLines = 100;
const maxValueLetters = 200;

/** The effective values of a configuration by place; a route's place is its name, so that a new first route does not move the others. */
function effectiveValues(config: GatewayConfig): ReadonlyMap<string, string> {
  const named = (path: string): string =>
    path.replace(/^routes\[(\d+)\]/, (whole, index: string) => {
      const route = config.routes[Number(index)];
      return route === undefined ? whole : `routes ${route.host ?? ''}${route.prefix}`;
    });
  return new Map(describeConfig({ config, origins: {} }).map(({ path, value }) => [named(path), value]));
}

const short = (value: string): string =>
  value.length > maxValueLetters ? `${value.slice(0, maxValueLetters)}…` : value;

/**
 * What differs in effect, a line each: `timeouts.connectMs: 2000 → 7`. A key that is gone from the file shows as the default that holds
 * without it. Secrets are not shown.
 */
export function configDiff(before: GatewayConfig, after: GatewayConfig): readonly string[] {
  const [old, now] = [effectiveValues(before), effectiveValues(after)];
  const lines = [...new Set([...old.keys(), ...now.keys()])].flatMap((path) => {
    const [was, is] = [old.get(path), now.get(path)];
    const keys = path.split('.');
    if (isSecret(path))
      return valueAt(before, keys) === valueAt(after, keys) ? [] : [`${path}: another secret`];
    if (was === is) return [];
    if (was === undefined) return [`+ ${path}: ${short(is ?? '')}`];
    return [is === undefined ? `- ${path}: ${short(was)}` : `~ ${path}: ${short(was)} → ${short(is)}`];
  });
  const more = lines.length - maxLines;
  return more > 0 ? [...lines.slice(0, maxLines), `… and ${more} more`] : lines;
}

/** A configuration with the secrets of another one. */
export function withSecretsOf(secrets: GatewayConfig, config: GatewayConfig): GatewayConfig {
  // Values of one configuration at the same places of the other.
  return [...secretPaths].reduce<unknown>((merged, path) => {
    const keys = path.split('.');
    return withValue(merged, keys, valueAt(secrets, keys));
  }, config) as GatewayConfig;
}

/** A configuration's version: what it says decides, in any order of keys, secrets left out. 12 hexadecimal digits. */
export function configVersion(config: GatewayConfig): string {
  const open = [...secretPaths].reduce<unknown>((data, path) => withValue(data, path.split('.'), ''), config);
  return createHash('sha256').update(JSON.stringify(open, inOrder)).digest('hex').slice(0, 12);
}

/** A replacer of JSON that sorts the keys of every mapping. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
