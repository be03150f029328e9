import type { z } from 'zod';

import { formatAuthority } from './address.ts';
import { showPath } from './config-path.ts';
import { crossProblems, duplicateRoutes } from './cross-checks.ts';
import { defaults } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { formatHashSource } from './hash-source.ts';
import { fileProblems, type ConfigProblem } from './problems.ts';
import { configSchema } from './schema.ts';

/** A configuration whose values are in normal form, or everything that is wrong with it. */
export type CheckedConfig =
  | { readonly kind: 'config'; readonly config: GatewayConfig }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

/**
 * Checks a configuration that comes from elsewhere than `loadConfig`, which checks what it reads. Places are paths:
 * `routes[0].prefix`.
 */
export function checkConfig(config: GatewayConfig): CheckedConfig {
  const data = fileData(config);
  const parsed = configSchema.safeParse(data);
  if (!parsed.success)
    return { kind: 'invalid', problems: fileProblems(parsed.error.issues, data, showPath) };
  const { routes, ...rest } = configOf(parsed.data);
  const checked = {
    ...rest,
    routes: routes.map((route, index) => ({
      ...route,
      source: config.routes[index]?.source ?? route.source,
    })),
  };
  const duplicates = duplicateRoutes(data, showPath);
  const problems = duplicates.length > 0 ? duplicates : crossProblems(checked, {}, showPath);
  return problems.length > 0 ? { kind: 'invalid', problems } : { kind: 'config', config: checked };
}

/** What the schema has read as a configuration; without `routes` it has the built-in ones, if it reads the usual tags. */
export function configOf({ routes, services, ...rest }: z.output<typeof configSchema>): GatewayConfig {
  const builtIn = rest.discovery.tagPrefix === defaults.discovery.tagPrefix ? defaults.routes : [];
  return {
    ...rest,
    routes: routes ?? builtIn,
    services: Object.entries(services ?? {}).map(([service, { instances, ...settings }]) => ({
      service,
      instances,
      settings,
    })),
  };
}

/** The configuration as its file would hold it: hash sources and addresses as text, services by name, nothing undefined. */
function fileData({ routes, services, ...settings }: GatewayConfig): unknown {
  const data = {
    ...settings,
    routes: routes.map(({ source: _, service, ...route }) =>
      route.owners === undefined ? { service, ...route } : route,
    ),
    services: Object.fromEntries(
      services.map(({ service, instances, settings: own }) => [
        service,
        { ...own, instances: instances?.map(({ address, port }) => formatAuthority(address, port)) },
      ]),
    ),
  };
  return JSON.parse(
    JSON.stringify(data, (key, value: unknown) => (key === 'hash' ? hashText(value) : value)),
  );
}

function hashText(value: unknown): unknown {
  const isSource = typeof value === 'object' && value !== null && 'kind' in value;
  return isSource ? formatHashSource(value as GatewayConfig['hash']) : value;
}
