import { parseHost, type Parsed } from './address.ts';

/** pchar of RFC 3986 §3.3, without the percent sign. */
const plain = /^[A-Za-z0-9\-._~!$&'()*+,;=:@]$/;
const unreserved = /^[A-Za-z0-9\-._~]$/;

/** One segment with its escapes in normal form (RFC 3986 §6.2.2): unreserved ones decoded, hex digits in upper case. */
function normalSegment(segment: string): Parsed<string> {
  let out = '';
  for (let i = 0; i < segment.length; i++) {
    const c = segment.charAt(i);
    if (plain.test(c)) {
      out += c;
      continue;
    }
    const hex = segment.slice(i + 1, i + 3);
    if (c !== '%' || !/^[0-9A-Fa-f]{2}$/.test(hex))
      return { problem: `has ${JSON.stringify(c)}, which a path can't hold as it is` };
    const decoded = String.fromCharCode(Number.parseInt(hex, 16));
    if (decoded === '/' || decoded === '\\' || decoded < ' ' || decoded === '\u007f')
      return { problem: `has %${hex}, which stands for a separator or a control character` };
    out += unreserved.test(decoded) ? decoded : `%${hex.toUpperCase()}`;
    i += 2;
  }
  return { value: out };
}

/**
 * A path prefix in normal form: starts with `/`, no trailing `/` but for the root, no empty or dot segments, no query, escapes
 * normalised. A trailing slash is dropped (`/api/` takes what `/api` takes); anything that two readers could read differently is refused.
 */
export function parsePrefix(text: string): Parsed<string> {
  if (!text.startsWith('/')) return { problem: 'does not start with /' };
  if (text.length > 1_024) return { problem: 'is longer than 1024 characters' };
  if (text === '/') return { value: '/' };
  const out: string[] = [];
  const segments = (text.endsWith('/') ? text.slice(0, -1) : text).slice(1).split('/');
  for (const segment of segments) {
    const normal = normalSegment(segment);
    if ('problem' in normal) return normal;
    if (normal.value === '') return { problem: 'has an empty segment (//)' };
    if (normal.value === '.' || normal.value === '..') return { problem: 'has a dot segment' };
    out.push(normal.value);
  }
  return { value: `/${out.join('/')}` };
}

/** Whether `prefix` takes `path` (both in normal form), on a segment boundary. */
export function takes(prefix: string, path: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}

/** A route's host in normal form: lower case, no port, no trailing dot; `*.example.org` for every name below it. */
export function parseRouteHost(text: string): Parsed<string> {
  const problem = 'a host name without a port, such as example.org or *.example.org';
  const wild = text.startsWith('*.');
  const name = (wild ? text.slice(2) : text).replace(/\.$/, '');
  const host = parseHost(name);
  if (!('value' in host) || name.startsWith('[') || host.value.includes(':')) return { problem };
  if (wild && /^[\d.]+$/.test(host.value)) return { problem };
  return { value: wild ? `*.${host.value}` : host.value };
}
