import type { AttemptTimeouts } from '../routing/policy.ts';
import { isLoopback, isWildcard } from './address.ts';
import { valueAt, type ConfigPath } from './config-path.ts';
import { serviceSettings, type GatewayConfig, type ServiceSettings } from './gateway-config.ts';
import type { ConfigProblem } from './problems.ts';
import { routeSchema } from './route-schema.ts';

/** What each setting's value came from: its place, or `default`. Keyed by the path in the file. */
export type Origins = Readonly<Record<string, string>>;

/**
 * Routes of the file's data that claim the same host and prefix. Entries that are wrong by themselves are left to the schema.
 * `line` is where a value stands in the file, if there is one.
 */
export function duplicateRoutes(
  data: unknown,
  place: (path: ConfigPath) => string,
  line?: (path: ConfigPath) => number,
): readonly ConfigProblem[] {
  const rows = valueAt(data, ['routes']);
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
    const where = line === undefined ? '' : ` on line ${line(['routes', earlier])}`;
    return [
      {
        place: place(['routes', index]),
        message: `claims ${claim} again; routes[${earlier}]${where} has it already`,
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

/** The first of `paths` that was set, as the place to point at. */
function placeOf(origins: Origins): (...paths: readonly string[]) => string {
  return (...paths) => {
    const given = paths.find((path) => origins[path] !== 'default');
    const path = given ?? paths[0] ?? '';
    const origin = origins[path] ?? path;
    return origin === 'default' ? path : origin;
  };
}

/**
 * Rules between settings. `placeInFile` finds what only the file can say: routes and services. A rule about a setting that `isWrong` by
 * itself is left out: its value is not known.
 */
export function crossProblems(
  config: GatewayConfig,
  origins: Origins,
  placeInFile: (path: ConfigPath) => string,
  isWrong: (path: string) => boolean = () => false,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const place = placeOf(origins);
  const clashesOf = (settings: ServiceSettings): ReturnType<typeof settingClashes> =>
    settingClashes(settings).filter(({ paths }) => !paths.some(isWrong));
  const { admin, listen } = config;
  const isKnown = !['admin.port', 'listen.port', 'admin.host', 'listen.host'].some(isWrong);
  if (isKnown && admin.port !== 0 && admin.port === listen.port && overlap(admin.host, listen.host)) {
    problems.push({
      place: place('admin.port', 'listen.port', 'admin.host', 'listen.host'),
      message: `admin (${admin.host}:${admin.port}) and traffic (${listen.host}:${listen.port}) need addresses of their own`,
    });
  }
  for (const { paths, message } of clashesOf(config)) problems.push({ place: place(...paths), message });
  for (const { service, instances, settings } of config.services) {
    if (instances === undefined && Object.keys(settings).length === 0) {
      problems.push({
        place: placeInFile(['services', service]),
        message: 'says nothing; needed: instances: [host:port, …], or at least one setting',
      });
    }
    for (const { paths, message } of clashesOf(serviceSettings(config, settings))) {
      const own = paths.find((path) => valueAt(settings, path.split('.')) !== undefined);
      // A clash of the global settings has been reported above, where it is.
      if (own !== undefined)
        problems.push({ place: placeInFile(['services', service, ...own.split('.')]), message });
    }
  }
  if (['timeouts.tryMs', 'timeouts.totalMs'].some(isWrong)) return problems;
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

/** What is allowed but should be known. */
export function warningsAbout(config: GatewayConfig, origins: Origins): readonly string[] {
  const warnings: string[] = [];
  if (!isLoopback(config.admin.host) && config.admin.token === 'off') {
    warnings.push(
      `The admin listener is open on ${config.admin.host}:${config.admin.port} (${origins['admin.host'] ?? 'default'}): ` +
        'every host that reaches it can read routes, instances and metrics. Keep it inside a trusted network, or set admin.token.',
    );
  }
  if (config.trustedProxies.some((range) => range.endsWith('/0'))) {
    warnings.push(
      `trustedProxies (${origins['trustedProxies'] ?? 'default'}) holds a /0 range: every client can forge its address.`,
    );
  }
  const routed = new Set(config.routes.flatMap(({ service, owners = [service] }) => owners));
  for (const { service, instances } of config.services) {
    if (instances !== undefined && !routed.has(service))
      warnings.push(`services.${service} has a fixed list, but no route leads to it.`);
  }
  const stickies = [
    ...(config.sticky === 'cookie' ? ['sticky'] : []),
    ...config.services
      .filter((s) => s.settings.sticky === 'cookie')
      .map((s) => `services.${s.service}.sticky`),
  ];
  if (stickies.length > 0 && config.stickySecret === 'random') {
    warnings.push(
      `${stickies.join(', ')}: the cookies are signed with a secret drawn at the start, so that clients lose their instance with a ` +
        'restart and at every other gateway. Give all gateways the same GATEWAY_STICKY_SECRET.',
    );
  }
  for (const { path, tryMs, hedgeAfterMs } of hedges(config)) {
    if (tryMs > 0 && hedgeAfterMs >= tryMs) {
      warnings.push(
        `${path} (${hedgeAfterMs} ms) never comes: a try ends after ${tryMs} ms, by timeouts.tryMs.`,
      );
    }
  }
  return warnings;
}

/** What `hedgeAfterMs` meets, globally and in each route that overrides one of the two. */
function hedges(
  config: GatewayConfig,
): readonly { readonly path: string; readonly tryMs: number; readonly hedgeAfterMs: number }[] {
  const { timeouts, hedgeAfterMs } = config;
  return [
    { path: 'hedgeAfterMs', tryMs: timeouts.tryMs, hedgeAfterMs },
    ...config.routes.flatMap((route, index) =>
      route.hedgeAfterMs === undefined
        ? []
        : [
            {
              path: `routes[${index}].hedgeAfterMs`,
              tryMs: route.timeouts.tryMs ?? timeouts.tryMs,
              hedgeAfterMs: route.hedgeAfterMs,
            },
          ],
    ),
  ];
}
