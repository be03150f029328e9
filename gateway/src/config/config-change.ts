import { isDeepStrictEqual } from 'node:util';

import { valueAt, withValue } from './config-path.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { configOptions } from './options.ts';

/** From the configuration that a gateway runs with to another one. */
export interface ConfigChange {
  /** What holds from now on: the new configuration, but for the fields that need a restart, which keep their values. */
  readonly config: GatewayConfig;
  /** Paths of the fields that change now: `timeouts.connectMs`, `routes`. */
  readonly applied: readonly string[];
  /** Paths of the fields that differ and can't change while the gateway runs. */
  readonly needRestart: readonly string[];
}

const startOnly: ReadonlySet<string> = new Set(
  configOptions.filter(({ reload }) => reload === 'restart').map(({ path }) => path),
);

/** Compares two configurations field by field; `routes` and `services` are a field each. */
export function configChange(running: GatewayConfig, next: GatewayConfig): ConfigChange {
  const paths = [...configOptions.map((option) => option.path), 'routes', 'services'];
  const changed = paths.filter((path) => {
    const keys = path.split('.');
    return !isDeepStrictEqual(valueAt(running, keys), valueAt(next, keys));
  });
  const needRestart = changed.filter((path) => startOnly.has(path));
  const config = needRestart.reduce<unknown>((merged, path) => {
    const keys = path.split('.');
    return withValue(merged, keys, valueAt(running, keys));
  }, next);
  return {
    // Values of one configuration at the same places of the other.
    config: config as GatewayConfig,
    applied: changed.filter((path) => !startOnly.has(path)),
    needRestart,
  };
}
