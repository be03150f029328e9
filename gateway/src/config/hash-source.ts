import type { HashSource } from '../routing/policy.ts';
import type { Parsed } from './address.ts';

/** A token of RFC 9110 §5.6.2: the name of a header field or a cookie. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Reads `client-ip`, `path`, `header:NAME` or `cookie:NAME`. Names of fields are brought to lower case, those of cookies are not. */
export function parseHashSource(text: string): Parsed<HashSource> {
  if (text === 'client-ip' || text === 'path') return { value: { kind: text } };
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(0, colon));
  const name = text.slice(colon + 1);
  if (token.test(name)) {
    if (kind === 'header') return { value: { kind, name: name.toLowerCase() } };
    if (kind === 'cookie') return { value: { kind, name } };
  }
  return { problem: 'client-ip, path, header:NAME or cookie:NAME' };
}

/** The text that {@link parseHashSource} reads. */
export function formatHashSource(source: HashSource): string {
  return 'name' in source ? `${source.kind}:${source.name}` : source.kind;
}
