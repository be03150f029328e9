/** A route that an instance claims: a path prefix, on one host or on any. */
export interface RouteClaim {
  /** Lower case, without port; `*.example.org` for every name below it. Undefined: any host. */
  readonly host: string | undefined;
  /** In normal form: starts with `/`, no trailing slash except for the root itself, needless percent-encoding removed. */
  readonly prefix: string;
  /** Leading part of the path that is removed before forwarding: `prefix` or a part of it. Undefined: nothing. */
  readonly strip: string | undefined;
  /** The tag exactly as registered; the instances that carry it serve the route. */
  readonly tag: string;
}

/** A route tag that is invalid. The status shows it; the gateway never guesses its meaning. */
export interface InvalidRouteTag {
  /** The tag, cut to 1,024 characters and free of control characters. */
  readonly invalid: string;
  /** One clause for a person: what is wrong, and what helps. */
  readonly reason: string;
}

/** A route in a service's own words: `/api`, `example.org/api`, or the parts. */
export type RouteInput =
  | string
  | { readonly prefix: string; readonly host?: string | undefined; readonly strip?: string | undefined };

/** The error for a route that is invalid. */
export class RouteTagError extends Error {
  override readonly name = 'RouteTagError';
}

const marker = 'urlprefix-';
const maxLength = 1024;

/** Fabio's options that change what a route means, so that leaving them out would misread it. */
const unsupported: Readonly<Record<string, string>> = {
  prepend: 'prepending a path is not supported',
  host: 'rewriting the Host is not supported',
  redirect: 'redirects are not supported',
  weight: "a route's own weight is not supported; give the instance a weight instead",
  allow: 'access rules are not supported',
  deny: 'access rules are not supported',
  auth: 'authentication is not supported',
  pxyproto: 'the PROXY protocol is not supported',
  tlsskipverify: 'instances are reached by plain HTTP only',
  register: 'registering further names is not supported',
};

/**
 * Reads one tag the way Fabio does (`urlprefix-[host]/path [option=value …]`, registry/consul/routecmd.go), but matches on
 * segment boundaries, and understands `strip=` and `proto=http` only. Undefined for a tag that is no route at all. `tagPrefix`: what a
 * gateway reads for `urlprefix-`.
 */
export function parseRouteTag(tag: string, tagPrefix = marker): RouteClaim | InvalidRouteTag | undefined {
  const text = tag.trim();
  if (!text.startsWith(tagPrefix)) return undefined;
  const invalid = (reason: string): InvalidRouteTag => ({
    invalid: tag.slice(0, maxLength).replace(/\p{Cc}/gu, '?'),
    reason,
  });
  if (text.length > maxLength) return invalid(`it is longer than ${maxLength} characters`);
  if (/\p{Cc}/u.test(text)) return invalid('it holds a control character');

  const [route = '', ...options] = text.slice(tagPrefix.length).trim().split(/ +/u);
  if (route.startsWith(':')) return invalid('routes by TCP port are not supported');
  const slash = route.indexOf('/');
  if (slash === -1) return invalid(`"${route}" has no path; write at least a trailing slash`);

  const host = readHost(route.slice(0, slash));
  if ('problem' in host) return invalid(host.problem);
  const prefix = readPath(route.slice(slash));
  if ('problem' in prefix) return invalid(prefix.problem);
  const strip = readOptions(options, prefix.value);
  if ('problem' in strip) return invalid(strip.problem);
  return { host: host.value, prefix: prefix.value, strip: strip.value, tag };
}

/** Whether a tag's reading is a refusal. */
export function isInvalidRouteTag(reading: RouteClaim | InvalidRouteTag): reading is InvalidRouteTag {
  return 'invalid' in reading;
}

/**
 * The tag for a route, in normal form: `/api/` → `urlprefix-/api`. What this writes, {@link parseRouteTag} reads back with the
 * same meaning. Throws a {@link RouteTagError} that says what is wrong with the route.
 */
export function routeTag(route: RouteInput): string {
  const { prefix, host, strip } = typeof route === 'string' ? splitRoute(route) : route;
  const shown = JSON.stringify(`${host ?? ''}${prefix}`.slice(0, 80));
  for (const [part, value] of Object.entries({ prefix, host, strip })) {
    if (value !== undefined && /\s/u.test(value))
      throw new RouteTagError(`Route ${shown}: its ${part} holds white space; percent-encode it as %20.`);
  }
  if (!prefix.startsWith('/')) {
    throw new RouteTagError(
      `Route ${shown}: a path prefix begins with "/", as in "/api" or "example.org/api".`,
    );
  }
  if (host === '')
    throw new RouteTagError(`Route ${shown}: its host is empty; leave it out to take any host.`);
  if (host?.includes('/') === true) throw new RouteTagError(`Route ${shown}: its host holds a "/".`);
  const tail = strip === undefined ? '' : ` strip=${strip}`;
  const claim = parseRouteTag(`${marker}${host ?? ''}${prefix}${tail}`);
  if (claim === undefined) throw new RouteTagError(`Route ${shown} cannot be written as a tag.`);
  if (isInvalidRouteTag(claim)) throw new RouteTagError(`Route ${shown}: ${claim.reason}.`);
  return `${marker}${claim.host ?? ''}${claim.prefix}${claim.strip === undefined ? '' : ` strip=${claim.strip}`}`;
}

type Reading<T> = { readonly value: T } | { readonly problem: string };

function splitRoute(route: string): Exclude<RouteInput, string> {
  const slash = route.indexOf('/');
  return slash <= 0 ? { prefix: route } : { prefix: route.slice(slash), host: route.slice(0, slash) };
}

function readHost(text: string): Reading<string | undefined> {
  if (text === '') return { value: undefined };
  const host = text.toLowerCase();
  if (host.includes(':')) return { problem: `the host "${host}" has a port; routes are for every port` };
  if (host.length > 253 || !/^(?:\*\.)?(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/u.test(host))
    return { problem: `"${host}" is not a host name; write example.org or *.example.org` };
  return { value: host };
}

/** A path prefix in the normal form that request paths are matched in (RFC 3986 §6.2.2). */
function readPath(text: string): Reading<string> {
  const refusal = refusePath(text);
  if (refusal !== undefined) return { problem: `the path "${text}" ${refusal}` };
  const decoded = text.replace(/%([0-9A-Fa-f]{2})/gu, (triplet, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-._~]/u.test(character) ? character : triplet.toUpperCase();
  });
  if (/\/\.{1,2}(?:\/|$)/u.test(decoded)) {
    return {
      problem: `the path "${text}" holds a dot segment, which no request path has after normalisation`,
    };
  }
  return { value: decoded === '/' ? '/' : decoded.replace(/\/$/u, '') };
}

function refusePath(text: string): string | undefined {
  if (text.includes('//')) return 'holds an empty segment ("//")';
  if (text.includes('?') || text.includes('#')) return 'holds a query or a fragment; a prefix is only a path';
  if (text.includes('*')) return 'holds a wildcard; a prefix takes everything below it anyway';
  if (text.includes('$')) return 'holds "$"; variables are not expanded';
  if (/%(?:2f|5c)/iu.test(text)) return 'holds an encoded slash, which is no separator';
  if (/%(?![0-9a-f]{2})|%00|%c[01]%[89ab]/iu.test(text)) return 'holds a broken percent-encoding';
  if (!/^[A-Za-z0-9\-._~!&'()+,;=:@%/]*$/u.test(text))
    return 'holds a character that has to be percent-encoded';
  return undefined;
}

/** Reads the options after the route. Returns `strip`, the only option that changes the route. */
function readOptions(options: readonly string[], prefix: string): Reading<string | undefined> {
  const seen = new Map<string, string>();
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals === -1 ? option : option.slice(0, equals);
    if (seen.has(name)) return { problem: `the option ${name} is given twice` };
    seen.set(name, equals === -1 ? '' : option.slice(equals + 1));
  }
  for (const [name, value] of seen) {
    if (name === 'strip' || (name === 'proto' && value === 'http')) continue;
    if (name === 'proto')
      return { problem: `proto=${value} is not supported; instances are reached by HTTP` };
    const known = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined;
    return { problem: known === undefined ? `the option "${name}" is unknown` : `${name}=: ${known}` };
  }
  const strip = seen.get('strip');
  return strip === undefined ? { value: undefined } : readStrip(strip, prefix);
}

function readStrip(text: string, prefix: string): Reading<string | undefined> {
  if (!text.startsWith('/')) return { problem: `strip=${text} is not a path; it begins with "/"` };
  const strip = readPath(text);
  if ('problem' in strip) return strip;
  if (strip.value === '/') return { value: undefined };
  if (prefix !== strip.value && !prefix.startsWith(`${strip.value}/`))
    return { problem: `strip=${text} is not the beginning of ${prefix}, on a segment boundary` };
  return strip;
}
