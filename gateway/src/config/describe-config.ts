import type { HashSource } from '../routing/policy.ts';
import { formatAuthority } from './address.ts';
import { valueAt } from './config-path.ts';
import type { RouteConfig, ServiceConfig } from './gateway-config.ts';
import { formatHashSource } from './hash-source.ts';
import type { LoadedConfig } from './load-config.ts';
import { configOptions } from './options.ts';
import { isSecret } from './problems.ts';

/** One line of the effective configuration. */
export interface ConfigRow {
  /** Its place in the file: `limits.headBytes`, `routes[0]`. */
  readonly path: string;
  readonly value: string;
  /** `--port`, `GATEWAY_PORT`, `gateway.yaml:3:9 listen.port` or `default`. */
  readonly origin: string;
}

const isGroup = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isHash = (value: unknown): value is HashSource => isGroup(value) && typeof value['kind'] === 'string';

function show(path: string, value: unknown): string {
  if (isSecret(path)) return value === 'random' || value === 'off' ? value : '(set)';
  if (path.endsWith('hash') && isHash(value)) return formatHashSource(value);
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(String).join(', ');
  return String(value);
}

/** The effective configuration with where each value came from, in the order of the docs. Secrets are not shown. */
export function describeConfig(
  loaded: Pick<Extract<LoadedConfig, { kind: 'config' }>, 'config' | 'origins'>,
): readonly ConfigRow[] {
  const { config, origins } = loaded;
  const origin = (path: string): string => origins[path] ?? 'default';
  const rows = (key: 'routes' | 'services', cells: readonly Cell[]): ConfigRow[] =>
    cells.map((cell) => ({ ...cell, origin: origin(key) }));
  return [
    ...configOptions.map(({ path }) => ({
      path,
      value: show(path, valueAt(config, path.split('.'))),
      origin: origin(path),
    })),
    ...rows('routes', config.routes.flatMap(routeCells)),
    ...rows('services', config.services.flatMap(serviceCells)),
  ];
}

type Cell = Pick<ConfigRow, 'path' | 'value'>;

function routeCells(route: RouteConfig, index: number): readonly Cell[] {
  const path = `routes[${index}]`;
  const { host, prefix, service, owners = [service], strip } = route;
  const { claims, timeouts, retry, hedgeAfterMs, paths } = route;
  const value = `${host ?? ''}${prefix} → ${owners.join(' or ')}${strip === undefined ? '' : ` (strips ${strip})`}`;
  return [{ path, value }, ...leaves(path, { claims, timeouts, retry, hedgeAfterMs, paths })];
}

function serviceCells({ service, instances, settings }: ServiceConfig): readonly Cell[] {
  const path = `services.${service}`;
  const own = leaves(path, settings);
  if (instances === undefined) return own;
  const value = instances.map(({ address, port }) => formatAuthority(address, port)).join(', ');
  return [{ path, value }, ...own];
}

/** The values in a mapping of overrides, one cell each. */
function leaves(parent: string, mapping: object): readonly Cell[] {
  return Object.entries(mapping).flatMap(([key, value]: [string, unknown]) => {
    const path = `${parent}.${key}`;
    if (value === undefined) return [];
    return isGroup(value) && key !== 'hash' ? leaves(path, value) : [{ path, value: show(path, value) }];
  });
}

/** Those rows in three aligned columns. */
export function formatConfig(rows: readonly ConfigRow[]): string {
  const width = (pick: (row: ConfigRow) => string): number =>
    Math.max(0, ...rows.map((row) => pick(row).length));
  const [paths, values] = [width((row) => row.path), width((row) => row.value)];
  return rows
    .map((row) => `${row.path.padEnd(paths)}  ${row.value.padEnd(values)}  ${row.origin}`)
    .join('\n');
}
