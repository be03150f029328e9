import { fieldRole, type FieldRole } from '../http/field-roles.ts';
import { sourceOf, type HeadSource } from './head-source.ts';

/** A field name in one of its spellings. */
export interface FieldName {
  readonly text: string;
  readonly role: FieldRole;
}

/** One that is known beforehand, with its bytes to compare with. */
interface UsualName extends FieldName {
  readonly bytes: Uint8Array;
}

/** Names that most messages are made of. A name that is missing here is understood all the same, only not as cheaply. */
const usual = `Accept Accept-CH Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Credentials
  Access-Control-Allow-Headers Access-Control-Allow-Methods Access-Control-Allow-Origin Access-Control-Expose-Headers
  Access-Control-Max-Age Access-Control-Request-Headers Access-Control-Request-Method Age Allow Alt-Svc Authorization
  Cache-Control Connection Content-Disposition Content-Encoding Content-Language Content-Length Content-Location
  Content-Range Content-Security-Policy Content-Type Cookie Cross-Origin-Opener-Policy Cross-Origin-Resource-Policy Date DNT
  ETag Expect Expires Forwarded Host If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since Keep-Alive
  Last-Modified Link Location Origin Origin-Agent-Cluster Pragma Priority Range Referer Referrer-Policy Retry-After
  Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User
  Sec-WebSocket-Accept Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Server
  Set-Cookie Strict-Transport-Security TE Traceparent Tracestate Trailer Transfer-Encoding Upgrade
  Upgrade-Insecure-Requests User-Agent Vary Via X-Content-Type-Options X-DNS-Prefetch-Control X-Download-Options
  X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Frame-Options X-Permitted-Cross-Domain-Policies
  X-Powered-By X-Real-IP X-Request-Id X-Requested-With X-Response-Time X-XSS-Protection`;

const bucketCount = 512;
const buckets: readonly UsualName[][] = Array.from({ length: bucketCount }, () => []);
for (const name of usual.split(/\s+/)) {
  for (const text of [name, name.toLowerCase()]) {
    const { bytes } = sourceOf(text);
    buckets[bucketOf(bytes, 0, bytes.length)]?.push({ text, role: fieldRole(text), bytes });
  }
}

/** Looks at four characters: enough to tell nearly all usual names apart. */
function bucketOf(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  const start = 31 * (bytes[from] ?? 0) + 13 * (bytes[from + (length >> 1)] ?? 0);
  const end = 7 * (bytes[to - 2] ?? 0) + (bytes[to - 1] ?? 0);
  return (start + end + 61 * length) & (bucketCount - 1);
}

/**
 * The name that stands in `source` from `from` to `to`. One of the usual ones is always the same string, so that it need not be hashed
 * or put in lower case again for every message.
 */
export function fieldName({ text, bytes, offset }: HeadSource, from: number, to: number): FieldName {
  const at = offset + from;
  const bucket = to - from < 2 ? undefined : buckets[bucketOf(bytes, at, offset + to)];
  if (bucket !== undefined) {
    for (let i = 0; i < bucket.length; i += 1) {
      const name = bucket[i];
      if (name?.bytes.length === to - from && standsAt(name.bytes, bytes, at)) return name;
    }
  }
  const rare = text.substring(from, to);
  return { text: rare, role: fieldRole(rare) };
}

function standsAt(name: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < name.length; i += 1) if (name[i] !== bytes[at + i]) return false;
  return true;
}
