import type { MethodReply } from './dispatch.ts';
import type { Reply } from './endpoint.ts';
import type { QueryOptions } from './query-options.ts';

/** An answer as it goes out. */
export interface Outgoing {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const plainText = 'text/plain; charset=utf-8';

/** Writes an answer out; `pretty` indents JSON as `?pretty` asks. */
export function toOutgoing(reply: Reply | MethodReply, layout: 'compact' | 'pretty'): Outgoing {
  switch (reply.kind) {
    case 'json': {
      const text = JSON.stringify(reply.value, null, layout === 'pretty' ? 4 : 0);
      return {
        status: reply.status,
        headers: { 'Content-Type': 'application/json' },
        body: Buffer.from(text),
      };
    }
    case 'raw':
      // A value is anybody's text: no browser may take it for a page (as in Consul).
      return {
        status: reply.status,
        headers: {
          'Content-Type': 'text/plain',
          'X-Content-Type-Options': 'nosniff',
          'Content-Security-Policy': 'sandbox',
        },
        body: reply.bytes,
      };
    case 'text':
      return {
        status: reply.status,
        headers: reply.text === '' ? {} : { 'Content-Type': plainText },
        body: Buffer.from(reply.text),
      };
    case 'method':
      return {
        status: reply.status,
        headers: {
          Allow: reply.allow,
          ...(reply.text === '' ? {} : { 'Content-Type': plainText }),
        },
        body: Buffer.from(reply.text),
      };
  }
}

/** What Consul says about every read: the index to block on (never 0) and how fresh the answer is. */
export function readHeaders(
  index: number,
  consistency: QueryOptions['consistency'] | undefined,
): Record<string, string> {
  return {
    'X-Consul-Index': String(Math.max(index, 1)),
    'X-Consul-KnownLeader': 'true',
    'X-Consul-LastContact': '0',
    ...(consistency === undefined ? {} : { 'X-Consul-Effective-Consistency': consistency }),
  };
}
