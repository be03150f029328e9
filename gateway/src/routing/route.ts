import type { AttemptTimeouts, RetryRules } from './policy.ts';

/** Path prefix (and optional host) → service rule, in use. */
export interface Route {
  /** Exact host, `*.example.org`, or undefined for any; lower case, no port. */
  readonly host: string | undefined;
  /** Normal form, without a trailing slash but for `/` itself. */
  readonly prefix: string;
  readonly service: string;
  /** Of a configured route: the services that may own it, in the order of preference; absent: `service` alone. */
  readonly owners?: readonly string[] | undefined;
  /** Of a configured route: `below` lets claims have what lies below it; absent or `none`: nothing. */
  readonly claims?: 'none' | 'below' | undefined;
  /** Other services that claim the same; absent: none. */
  readonly rivals?: readonly string[] | undefined;
  readonly strip: string | undefined;
  /** The registry tag by which the route came; only instances that carry it serve it. */
  readonly tag: string | undefined;
  readonly timeouts: Partial<AttemptTimeouts>;
  /** Overrides of the global retry rules. */
  readonly retry?: Partial<RetryRules>;
  /** Override of the global `hedgeAfterMs`. */
  readonly hedgeAfterMs?: number | undefined;
  /** `strict`: no path is taken that any reader could take both for one of this route and of another; see `RouteTable.match`. */
  readonly paths?: 'usual' | 'strict' | undefined;
  readonly source: 'config' | 'default' | 'registry';
}

/** What tells two routes apart, and the label of a route in logs and metrics: `example.org/api`, or `/api`. */
export function routeName(route: { readonly host: string | undefined; readonly prefix: string }): string {
  return `${route.host ?? ''}${route.prefix}`;
}

/** The services that may own a route. */
export function ownersOf({ owners, service }: Pick<Route, 'owners' | 'service'>): readonly string[] {
  return owners ?? [service];
}
