/** A request-target taken apart (RFC 9112 §3.2). */
export type RequestTarget =
  | {
      readonly kind: 'path';
      /** Of an absolute-form target, else undefined: `host[:port]` as it came. It replaces Host (RFC 9112 §3.2.2). */
      readonly authority: string | undefined;
      /** Normal form: starts with exactly one `/`, no dot segments, no needless percent-encoding. Routed and forwarded alike. */
      readonly path: string;
      /** With its `?`, exactly as it came; empty when there is none. */
      readonly query: string;
    }
  | { readonly kind: 'asterisk' }
  | { readonly kind: 'authority' };

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;

/**
 * Reads a request-target. Undefined when it has none of the four forms, holds a byte that RFC 3986 has no place for (control,
 * space, `"`, `<`, `>`, `\`, `#`, non-ASCII), or its path has no safe normal form (see {@link normalizePath}).
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
  const raw = at === -1 ? target : target.slice(0, at);
  const query = at === -1 ? '' : target.slice(at);
  const path = verdict === 'plain' ? raw : normalizePath(raw);
  return path === undefined ? undefined : { kind: 'path', authority, path, query };
}

/** One pass over the target. `plain`: the path is in normal form already, as nearly every path is. */
function scan(target: string): 'plain' | 'unusual' | 'refused' {
  let verdict: 'plain' | 'unusual' = 'plain';
  let before = 0;
  let inQuery = false;
  for (let i = 0; i < target.length; i += 1) {
    const code = target.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f) return 'refused';
    switch (code) {
      case 0x22: // "
      case 0x23: // #
      case 0x3c: // <
      case 0x3e: // >
      case 0x5c: // \
        return 'refused';
      case 0x3f: // ?
        inQuery = true;
        break;
      case 0x25: // %
        verdict = 'unusual';
        break;
      case 0x2e: // . directly after /
        if (before === 0x2f && !inQuery) verdict = 'unusual';
        break;
      case 0x2f: // // at the start
        if (before === 0x2f && i === 1) verdict = 'unusual';
        break;
      default:
    }
    before = code;
  }
  return verdict;
}

/** A broken triplet, an encoded NUL, an overlong UTF-8 form. */
const refusedTriplet = /%(?![0-9a-f]{2})|%00|%c[01]%[89ab]/i;
const percentTriplet = /%([0-9A-Fa-f]{2})/g;
const unreserved = /[A-Za-z0-9\-._~]/;

/**
 * The one normal form that is both matched and forwarded (RFC 3986 §6.2.2): unreserved characters decoded, hex digits in upper
 * case, dot segments removed, slashes at the start merged. `%2F` stays what it is: no separator. Refused (undefined): a broken
 * triplet, an encoded NUL, an overlong UTF-8 form, dot segments that climb above the root, and dot segments that would appear
 * if an instance decoded `%2F` or `%5C`: by those a request could step around a prefix.
 */
export function normalizePath(raw: string): string | undefined {
  if (refusedTriplet.test(raw)) return undefined;
  const decoded = raw.replace(percentTriplet, (triplet, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : triplet.toUpperCase();
  });
  const path = removeDotSegments(decoded);
  if (path === undefined) return undefined;
  const asDecodedBehindUs = path.replace(/%(?:2F|5C)/g, '/');
  return asDecodedBehindUs !== path && /\/\.{1,2}(?:\/|$)/.test(asDecodedBehindUs) ? undefined : path;
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

/** What is left of a path when its leading `prefix` is taken off, or undefined when that has another normal form (`/api/..`). */
export function stripPrefix(path: string, prefix: string): string | undefined {
  if (prefix === '/') return path;
  const rest = path.slice(prefix.length);
  const stripped = rest === '' ? '/' : rest;
  return stripped.startsWith('//') ? undefined : stripped;
}
