import { isPlainPath, loosePath } from './loose-path.ts';
import { routeName, type Route } from './route.ts';

/** The ordered, immutable set of routes. */
export interface RouteTable {
  /** In the order in which they are tried. */
  readonly routes: readonly Route[];
  /**
   * The longest prefix on a segment boundary among the routes for exactly this host; else among the longest wildcard that covers
   * it; else among those for any host. A claim never takes what the configuration has below it for more hosts. `host`: lower case, no port. `path`: in normal form. Undefined, too, where a careless reader takes
   * `path` for one of another route (in another case, with `%2F`, `;` or escaped letters), and one of the two has strict paths.
   */
  match(host: string, path: string): Route | undefined;
}

/** The routes of one host pattern: prefix → route, and how many segments the deepest has. */
interface PrefixSet {
  readonly byPrefix: ReadonlyMap<string, Route>;
  readonly depth: number;
}

type Find = (host: string, path: string) => Route | undefined;

/** Builds a table in O(routes); a match costs one map lookup a segment. Two routes of one host and prefix are the caller's mistake. */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const careless = routes.some(({ paths }) => paths === 'strict') ? createCarelessTable(routes) : undefined;
  const find = withConfigured(createFind(routes), routes);
  return {
    routes: [...routes].sort(inOrder),
    match(host, path) {
      const route = find(host, path);
      if (careless === undefined || route === undefined) return route;
      return careless.agrees(host, path, route) ? route : undefined;
    },
  };
}

function createFind(routes: readonly Route[]): Find {
  const byHost = new Map<string | undefined, Map<string, Route>>();
  for (const route of routes) {
    const prefixes = byHost.get(route.host) ?? new Map<string, Route>();
    if (prefixes.has(route.prefix)) throw new RangeError(`two routes for ${routeName(route)}`);
    prefixes.set(route.prefix, route);
    byHost.set(route.host, prefixes);
  }
  const sets = new Map([...byHost].map(([host, prefixes]) => [host, prefixSet(prefixes)]));
  const anyHost = sets.get(undefined);
  const named = byHost.size > (anyHost === undefined ? 0 : 1);

  return (host, path) => {
    if (named) {
      const exact = sets.get(host);
      const found = exact === undefined ? undefined : longest(exact, path);
      if (found !== undefined) return found;
      for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const wildcard = sets.get(`*${host.slice(dot)}`);
        const covered = wildcard === undefined ? undefined : longest(wildcard, path);
        if (covered !== undefined) return covered;
      }
    }
    return anyHost === undefined ? undefined : longest(anyHost, path);
  };
}

/** A claim on a host (`example.org/`) takes nothing from a longer prefix that the configuration has for more hosts (`/pay`). */
function withConfigured(find: Find, routes: readonly Route[]): Find {
  const isHostClaim = ({ source, host }: Route): boolean => source === 'registry' && host !== undefined;
  const configured = routes.filter(({ source }) => source === 'config');
  if (configured.length === 0 || !routes.some(isHostClaim)) return find;
  const findConfigured = createFind(configured);
  return (host, path) => {
    const route = find(host, path);
    if (route === undefined || !isHostClaim(route)) return route;
    const kept = findConfigured(host, path);
    return kept !== undefined && kept.prefix.length > route.prefix.length ? kept : route;
  };
}

/** The same routes by the prefixes that a careless reader sees. */
interface CarelessTable {
  /** Whether such a reader, too, takes `path` for one of `route`, or no guarded route is concerned. */
  agrees(host: string, path: string, route: Route): boolean;
}

function createCarelessTable(routes: readonly Route[]): CarelessTable {
  const nameOf = ({ host, prefix }: Route): string => routeName({ host, prefix: loosePath(prefix, 'kept') });
  const guarded = new Set(routes.filter(({ paths }) => paths === 'strict').map(nameOf));
  const byName = new Map(
    routes.map((route) => [
      nameOf(route),
      { ...route, prefix: loosePath(route.prefix, 'kept'), paths: undefined },
    ]),
  );
  const table = createRouteTable([...byName.values()]);
  const arePlain = routes.every(({ prefix }) => isPlainPath(prefix));
  return {
    agrees(host, path, route) {
      if (arePlain && isPlainPath(path)) return true;
      const name = nameOf(route);
      return (['kept', 'removed'] as const).every((dots) => {
        const read = table.match(host, loosePath(path, dots));
        const other = read === undefined ? '' : routeName(read);
        return other === name || !(guarded.has(name) || guarded.has(other));
      });
    },
  };
}

function prefixSet(byPrefix: ReadonlyMap<string, Route>): PrefixSet {
  const depth = (prefix: string): number => (prefix === '/' ? 0 : prefix.split('/').length - 1);
  return { byPrefix, depth: Math.max(...[...byPrefix.keys()].map(depth)) };
}

/** Looks at no more segments than the deepest prefix has, so that a path of a thousand slashes costs nothing extra. */
function longest(set: PrefixSet, path: string): Route | undefined {
  let end = 0;
  let segments = 0;
  for (; segments < set.depth && end !== path.length; segments += 1) {
    const slash = path.indexOf('/', end + 1);
    end = slash === -1 ? path.length : slash;
  }
  for (; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const route = set.byPrefix.get(path.slice(0, end));
    if (route !== undefined) return route;
  }
  return set.byPrefix.get('/');
}

function inOrder(a: Route, b: Route): number {
  return (
    hostRank(a) - hostRank(b) ||
    (b.host?.length ?? 0) - (a.host?.length ?? 0) ||
    b.prefix.length - a.prefix.length ||
    alphabetically(a.host ?? '', b.host ?? '') ||
    alphabetically(a.prefix, b.prefix)
  );
}

function hostRank({ host }: Route): number {
  if (host === undefined) return 2;
  return host.startsWith('*') ? 1 : 0;
}

function alphabetically(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
