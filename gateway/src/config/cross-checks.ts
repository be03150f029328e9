import { isLoopback, isWildcard } from './address.ts';
import type { ConfigFile } from './config-file.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { ConfigProblem } from './problem.ts';
import { routeSchema } from './schema.ts';

/** What each setting's value came from: its place, or `default`. Keyed by the path in the file. */
export type Origins = Readonly<Record<string, string>>;

/** Routes of the file that claim the same host and prefix. Entries that are wrong by themselves are left to the schema. */
export function duplicateRoutes(file: ConfigFile): readonly ConfigProblem[] {
  const { data } = file;
  const rows: unknown =
    typeof data === 'object' && data !== null && 'routes' in data ? data.routes : undefined;
  if (!Array.isArray(rows)) return [];
  const first = new Map<string, number>();
  return rows.flatMap((row: unknown, index) => {
    const route = routeSchema.safeParse(row);
    if (!route.success) return [];
    const key = `${route.data.host ?? ''} ${route.data.prefix}`;
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, index);
      return [];
    }
    const claim = `${route.data.host ?? ''}${route.data.prefix}`;
    return [
      {
        place: file.place(['routes', index]),
        message: `claims ${claim} again; routes[${earlier}] on line ${file.line(['routes', earlier])} has it already`,
      },
    ];
  });
}

function overlap(a: string, b: string): boolean {
  return (
    a === b ||
    isWildcard(a) ||
    isWildcard(b) ||
    (a === 'localhost' && isLoopback(b)) ||
    (b === 'localhost' && isLoopback(a))
  );
}

/** Rules between settings. */
export function crossProblems(config: GatewayConfig, origins: Origins): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const place = (...paths: string[]): string => {
    const said = paths.find((path) => origins[path] !== 'default');
    const path = said ?? paths[0] ?? '';
    const origin = origins[path] ?? path;
    return origin === 'default' ? path : origin;
  };
  const { admin, listen, ejection } = config;
  if (admin.port !== 0 && admin.port === listen.port && overlap(admin.host, listen.host)) {
    problems.push({
      place: place('admin.port', 'listen.port', 'admin.host', 'listen.host'),
      message: `admin (${admin.host}:${admin.port}) and traffic (${listen.host}:${listen.port}) need addresses of their own`,
    });
  }
  if (ejection.baseMs > ejection.maxMs) {
    problems.push({
      place: place('ejection.maxMs', 'ejection.baseMs'),
      message: `got maxMs ${ejection.maxMs}; allowed: at least baseMs, which is ${ejection.baseMs}`,
    });
  }
  return problems;
}

/** What is allowed but should be known. */
export function warningsAbout(config: GatewayConfig, origins: Origins): readonly string[] {
  const warnings: string[] = [];
  if (!isLoopback(config.admin.host)) {
    warnings.push(
      `The admin listener is open on ${config.admin.host}:${config.admin.port} (${origins['admin.host'] ?? 'default'}): ` +
        'whoever reaches it can read routes, instances and metrics. Keep it inside a trusted network.',
    );
  }
  if (config.trustedProxies.some((range) => range.endsWith('/0'))) {
    warnings.push(
      `trustedProxies (${origins['trustedProxies'] ?? 'default'}) holds a /0 range: every client can forge its address.`,
    );
  }
  const routed = new Set(config.routes.map((route) => route.service));
  for (const { service } of config.services) {
    if (!routed.has(service))
      warnings.push(`services.${service} has a fixed list, but no route leads to it.`);
  }
  return warnings;
}
