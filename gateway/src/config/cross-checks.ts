import type { AttemptTimeouts } from '../routing/policy.ts';
import { isLoopback, isWildcard } from './address.ts';
import type { ConfigFile, ConfigPath } from './config-file.ts';
import type { GatewayConfig, ServiceSettings } from './gateway-config.ts';
import type { ConfigProblem } from './problem.ts';
import { routeSchema } from './route-schema.ts';
import { serviceSettings } from './service-settings.ts';

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

/** The first of `paths` that somebody set, as the place to point at. */
function placeOf(origins: Origins): (...paths: readonly string[]) => string {
  return (...paths) => {
    const said = paths.find((path) => origins[path] !== 'default');
    const path = said ?? paths[0] ?? '';
    const origin = origins[path] ?? path;
    return origin === 'default' ? path : origin;
  };
}

/** Rules between settings. `placeInFile` finds what only the file can say: routes and services. */
export function crossProblems(
  config: GatewayConfig,
  origins: Origins,
  placeInFile: (path: ConfigPath) => string,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const place = placeOf(origins);
  const { admin, listen } = config;
  if (admin.port !== 0 && admin.port === listen.port && overlap(admin.host, listen.host)) {
    problems.push({
      place: place('admin.port', 'listen.port', 'admin.host', 'listen.host'),
      message: `admin (${admin.host}:${admin.port}) and traffic (${listen.host}:${listen.port}) need addresses of their own`,
    });
  }
  for (const { paths, message } of settingClashes(config)) problems.push({ place: place(...paths), message });
  for (const { service, instances, settings } of config.services) {
    if (instances === undefined && Object.keys(settings).length === 0) {
      problems.push({
        place: placeInFile(['services', service]),
        message: 'says nothing; needed: instances: [host:port, …], or at least one setting',
      });
    }
    for (const { paths, message } of settingClashes(serviceSettings(config, settings))) {
      const own = paths.find((path) => said(settings, path.split('.')));
      // A clash of the global settings has been reported above, where it is.
      if (own !== undefined)
        problems.push({ place: placeInFile(['services', service, ...own.split('.')]), message });
    }
  }
  const global = timeoutClash(config.timeouts);
  if (global !== undefined)
    problems.push({ place: place('timeouts.tryMs', 'timeouts.totalMs'), message: global });
  config.routes.forEach(({ timeouts }, index) => {
    const key = timeouts.tryMs === undefined ? 'totalMs' : 'tryMs';
    const message = timeoutClash({ ...config.timeouts, ...timeouts });
    if (message !== undefined && timeouts[key] !== undefined)
      problems.push({ place: placeInFile(['routes', index, 'timeouts', key]), message });
  });
  return problems;
}

/** Settings of one service that contradict each other, with the places to look at first. */
function settingClashes({
  ejection,
  checks,
}: ServiceSettings): readonly { readonly paths: readonly string[]; readonly message: string }[] {
  const clashes = [];
  if (ejection.baseMs > ejection.maxMs) {
    clashes.push({
      paths: ['ejection.maxMs', 'ejection.baseMs'],
      message: `got maxMs ${ejection.maxMs}; allowed: at least baseMs, which is ${ejection.baseMs}`,
    });
  }
  if (checks.timeoutMs > checks.intervalMs) {
    clashes.push({
      paths: ['checks.timeoutMs', 'checks.intervalMs'],
      message: `got timeoutMs ${checks.timeoutMs}; allowed: at most intervalMs, which is ${checks.intervalMs}`,
    });
  }
  return clashes;
}

function timeoutClash({ tryMs, totalMs }: AttemptTimeouts): string | undefined {
  return totalMs > 0 && tryMs > totalMs
    ? `got tryMs ${tryMs}; allowed: at most totalMs, which is ${totalMs}`
    : undefined;
}

/** Whether a mapping of overrides has a value at `path`. */
function said(overrides: object, path: readonly string[]): boolean {
  let at: unknown = overrides;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return true;
}
