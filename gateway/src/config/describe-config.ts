import type { LoadedConfig } from './load-config.ts';
import { configOptions } from './options.ts';

/** One line of the effective configuration. */
export interface ConfigRow {
  /** Its place in the file: `limits.headBytes`, `routes[0]`. */
  readonly path: string;
  readonly value: string;
  /** `--port`, `GATEWAY_PORT`, `gateway.yaml:3:9 listen.port` or `default`. */
  readonly origin: string;
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (group, key) =>
      typeof group === 'object' && group !== null
        ? Object.entries(group).find(([name]) => name === key)?.[1]
        : undefined,
    value,
  );
}

const show = (value: unknown): string =>
  Array.isArray(value) ? (value.length === 0 ? '(none)' : value.map(String).join(', ')) : String(value);

/** The effective configuration with where each value came from, in the order of the docs. */
export function describeConfig(loaded: Extract<LoadedConfig, { kind: 'config' }>): readonly ConfigRow[] {
  const { config, origins } = loaded;
  const origin = (path: string): string => origins[path] ?? 'default';
  return [
    ...configOptions.map(({ path }) => ({
      path,
      value: show(at(config, path.split('.'))),
      origin: origin(path),
    })),
    ...config.routes.map((route, index) => ({
      path: `routes[${index}]`,
      value: `${route.host ?? ''}${route.prefix} → ${route.service}${route.strip === undefined ? '' : ` (strips ${route.strip})`}`,
      origin: origin('routes'),
    })),
    ...config.services.map(({ service, instances }) => ({
      path: `services.${service}`,
      value: instances
        .map((i) => (i.address.includes(':') ? `[${i.address}]:${i.port}` : `${i.address}:${i.port}`))
        .join(', '),
      origin: origin('services'),
    })),
  ];
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
