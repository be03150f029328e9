/** A request-target taken apart (RFC 9112 §3.2). */
export type RequestTarget =
  | {
      readonly kind: 'path';
      /** Of an absolute-form target, else undefined: `host[:port]` as it came. It replaces Host (RFC 9112 §3.2.2). */
      readonly authority: string | undefined;
      /** Normal form: starts with exactly one `/`, no dot segments, no needless percent-encoding. By this it is routed. */
      readonly path: string;
      /** The path exactly as it came; the same string when that is its normal form. */
      readonly given: string;
      /** With its `?`, exactly as it came; empty when there is none. */
      readonly query: string;
    }
  | { readonly kind: 'asterisk' }
  | { readonly kind: 'authority' };

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;

/**
 * Reads a request-target. Undefined when it has none of the four forms, holds a control, a space or a `#`, a backslash in its path, or
 * its path has no safe normal form (see {@link normalizePath}). Everything else in a query is the instance's to judge.
 */
export function parseRequestTarget(target: string): RequestTarget | undefined {
  if (target.startsWith('/')) return originForm(target, undefined);
  if (target === '*') return { kind: 'asterisk' };
  const [, authority, rest] = absoluteForm.exec(target) ?? [];
  if (authority !== undefined && rest !== undefined)
    return originForm(rest.startsWith('/') ? rest : `/${rest}`, authority);
  return /^[A-Za-z0-9.\-[\]:]+:\d{1,5}$/.test(target) ? { kind: 'authority' } : undefined;
}

/** R26: an absolute form with an empty path means `/`. */
function originForm(target: string, authority: string | undefined): RequestTarget | undefined {
  const verdict = scan(target);
  if (verdict === 'refused') return undefined;
  const at = target.indexOf('?');
  const given = at === -1 ? target : target.slice(0, at);
  const query = at === -1 ? '' : target.slice(at);
  const path = verdict === 'plain' ? given : normalizePath(given);
  return path === undefined ? undefined : { kind: 'path', authority, path, given, query };
}

/** One pass over the target. `plain`: the path is in normal form already, as nearly every path is. */
function scan(target: string): 'plain' | 'unusual' | 'refused' {
  let verdict: 'plain' | 'unusual' = 'plain';
  let before = 0;
  let at = 0;
  for (; at < target.length; at += 1) {
    const code = target.charCodeAt(at);
    if (code === 0x3f) break; // ?
    switch (pathClass[code]) {
      case 0:
        return 'refused';
      case 2:
        verdict = 'unusual';
        break;
      case 3: // . directly after /
        if (before === 0x2f) verdict = 'unusual';
        break;
      case 4: // // at the start
        if (before === 0x2f && at === 1) verdict = 'unusual';
        break;
      default:
    }
    before = code;
  }
  for (; at < target.length; at += 1)
    if (pathClass[target.charCodeAt(at)] === 0 && target[at] !== '\\') return 'refused';
  return verdict;
}

/** Of a byte in a path. 0: refused. 1: stands as it is. 2: may have another normal form. 3: a dot. 4: a slash. */
const pathClass = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code <= 0x20 || code === 0x7f || code === 0x23 || code === 0x5c) return 0;
  if (code === 0x2e) return 3;
  if (code === 0x2f) return 4;
  return code >= 0x80 || '%"<>^`{|}'.includes(String.fromCharCode(code)) ? 2 : 1;
});

/** What RFC 3986 has no place for in a path, so that a path with and without its escapes is the same. */
const unescaped = /["<>^`{|}\x80-\xff]/g;
/** A broken triplet, an encoded NUL, and what lax readers of UTF-8 take for a NUL, a dot, a slash or a backslash. */
const refusedTriplet =
  /%(?![0-9a-f]{2})|%00|%(?:c0|e0%80|f0%80%80|f8%80%80%80|fc%80%80%80%80)%(?:80|ae|af)|%(?:c1|e0%81|f0%80%81|f8%80%80%81|fc%80%80%80%81)%9c/i;
const percentTriplet = /%([0-9A-Fa-f]{2})/g;
const unreserved = /[A-Za-z0-9\-._~]/;
/** A dot segment, with parameters (`..;x`) too: some readers take them off first. */
const dotSegment = /\/\.{1,2}(?:[/;]|%3B|$)/;

/**
 * The one normal form by which a path is routed (RFC 3986 §6.2.2): unreserved characters decoded, what has no place in a path encoded,
 * hex digits in upper case, dot segments removed, slashes at the start merged. `%2F` stays what it is: no separator. Refused
 * (undefined): a broken triplet, an encoded NUL, an overlong form of a NUL, dot, slash or backslash, dot segments that climb above the
 * root or have parameters, and dot segments that would appear if an instance decoded `%2F` or `%5C`: by those a request could step
 * around a prefix. A path need not be UTF-8.
 */
export function normalizePath(given: string): string | undefined {
  const escaped = given.replace(unescaped, escape);
  if (refusedTriplet.test(escaped)) return undefined;
  const path = removeDotSegments(withoutNeedlessEscapes(escaped));
  if (path === undefined) return undefined;
  return dotSegment.test(path.replace(/%(?:2F|5C)/g, '/')) ? undefined : path;
}

/** RFC 3986 §6.2.2: unreserved characters decoded, hex digits in upper case. */
function withoutNeedlessEscapes(path: string): string {
  return path.replace(percentTriplet, (triplet, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : triplet.toUpperCase();
  });
}

const escape = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** Two slashes, and what URL readers take for a host without a doubt; no name of another site. */
const plainAuthority = /^\/\/[A-Za-z][A-Za-z0-9_]*(?=\/|$)/;

/**
 * What instances may make of a path that goes on as it came, besides its normal form: what is written; dot segments removed and
 * escapes left; the other way round; what follows the authority, for readers of URLs (`new URL(path, base)`), when it begins with two
 * slashes. Undefined: anything at all, something above the root, another site, or no URL.
 */
export function otherReadings(given: string): readonly (string | undefined)[] {
  const decoded = withoutNeedlessEscapes(given);
  const readings = [given, decoded, removeDotSegments(given)];
  // What is left between two slashes may or may not become the start.
  if (given.includes('//') && dotSegment.test(decoded)) return [undefined];
  if (given.startsWith('//')) {
    const rest = plainAuthority.test(given) ? given.replace(plainAuthority, '') : undefined;
    readings.push(rest === undefined ? undefined : normalizePath(rest === '' ? '/' : rest));
  }
  return readings;
}

/** RFC 3986 §5.2.4, but climbing above the root is refused; leading slashes become one. */
function removeDotSegments(path: string): string | undefined {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..' && kept.pop() === undefined) return undefined;
      if (last) kept.push('');
    } else {
      kept.push(segment);
    }
  }
  const start = kept.findIndex((segment) => segment !== '');
  return start === -1 ? '/' : `/${kept.slice(start).join('/')}`;
}

/** What is left of a path when its leading `prefix` is taken off, or undefined when that begins with two slashes. */
export function stripPrefix(path: string, prefix: string): string | undefined {
  if (prefix === '/') return path;
  const rest = path.slice(prefix.length);
  const stripped = rest === '' ? '/' : rest;
  return stripped.startsWith('//') ? undefined : stripped;
}
