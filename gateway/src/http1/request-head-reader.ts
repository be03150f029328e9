import type { ClientFacts } from '../http/message.ts';
import type { ListenerLimits } from '../http/limits.ts';
import type { HeadSource } from './head-source.ts';
import { parseRequestHead } from './request-head.ts';

/** Most heads fit in this: a chunk of body behind one need not become a string. */
const firstLookBytes = 2_048;

/**
 * Reads a request head from `bytes`, from `at` on; as {@link parseRequestHead}, and refuses a body that is announced to be longer
 * than allowed.
 */
export function readRequestHead(
  bytes: Buffer,
  [at, to]: readonly [number, number],
  limits: ListenerLimits,
  facts: ClientFacts,
): ReturnType<typeof parseRequestHead> {
  const end = Math.min(to, at + limits.headBytes + 1);
  const first = Math.min(end, at + firstLookBytes);
  const upTo = (last: number): HeadSource => ({
    text: bytes.toString('latin1', at, last),
    bytes,
    offset: at,
  });
  const head = parseRequestHead(upTo(first), limits, facts);
  const full = head === 'incomplete' && first < end ? parseRequestHead(upTo(end), limits, facts) : head;
  if (typeof full === 'string' || limits.bodyBytes === 0 || full.body.kind !== 'length') return full;
  return full.body.bytes > limits.bodyBytes ? 'content_too_large' : full;
}
