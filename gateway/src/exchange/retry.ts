import type { ResponseHead } from '../http/message.ts';
import type { RetryRules } from '../routing/policy.ts';
import { errorTable, type ErrorRule } from './errors.ts';
import { fieldValue } from '../http/field-lines.ts';
import type { AttemptFailure } from './seam.ts';

/** RFC 9110 §9.2.2. A proxy must not repeat others on its own. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Safe methods of RFC 9110 §9.2.1 that are passed on: doing them twice at once does no harm. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** Whether a request with this method may be sent twice. */
export function isRepeatable(method: string, rules: Pick<RetryRules, 'nonIdempotent'>): boolean {
  return rules.nonIdempotent === 'allow' || idempotent.has(method);
}

/**
 * Whether a failed attempt may be repeated: any method when nothing was sent, an idempotent one (or any, where the operator allows
 * it) while all of the request can be sent again. Attempts, budget, deadline and what the client has already got are judged elsewhere.
 */
export function mayRetry(method: string, failure: AttemptFailure, rules: RetryRules): boolean {
  const rule: ErrorRule = errorTable[failure.code];
  switch (rule.retry) {
    case 'never':
      return false;
    case 'unsent':
      return failure.sent === 'nothing';
    case 'idempotent':
      return failure.sent === 'nothing' || (failure.sent === 'head' && isRepeatable(method, rules));
  }
}

/**
 * Whether an attempt failed at once and before anything was sent: the connection was refused or the wrong instance answered. Such
 * failures are cheap, so they do not use up the attempt limit. A connection that timed out has cost time.
 */
export function wasRefused({ code, sent }: AttemptFailure): boolean {
  return sent === 'nothing' && errorTable[code].retry === 'unsent' && code !== 'connect_timeout';
}

/** A response that asks for a longer pause than this is passed on. */
const maxRetryAfterSeconds = 1;

/**
 * What a response that could be passed on is worth, for a request that can be sent again. `final`: it is the answer. `elsewhere`:
 * another instance may do better (a status that the route lists). `once_more`: the instance asks for it: 421 (RFC 9110 §15.5.20:
 * any method, over a different connection) and 425 (RFC 8470 §5.2: as we never send early data, an idempotent request may be
 * repeated, unless its client did: `Early-Data`).
 */
export function answerVerdict(
  request: { readonly method: string; readonly hasEarlyData: boolean },
  head: ResponseHead,
  rules: RetryRules,
): 'final' | 'elsewhere' | 'once_more' {
  const { status } = head;
  if (status === 421) return 'once_more';
  if (status === 425) return !request.hasEarlyData && idempotent.has(request.method) ? 'once_more' : 'final';
  if (!rules.statuses.includes(status) || !isRepeatable(request.method, rules)) return 'final';
  const after = fieldValue(head.fields, 'retry-after')?.trim();
  // A date is not worked out: it means a longer pause.
  const patient = after === undefined || (/^\d{1,9}$/.test(after) && Number(after) <= maxRetryAfterSeconds);
  return patient ? 'elsewhere' : 'final';
}

/** Whether a status could be anything but `final`, so that the usual answer costs two comparisons. */
export function mayBePassedOver(status: number): boolean {
  return status >= 502 ? status <= 504 : status === 421 || status === 425;
}

/** Pause before the only instance there is gets the same request again: 25 to 250 ms. `random` in [0, 1). */
export function sameInstancePauseMs(random: number): number {
  return 25 + Math.floor(random * 226);
}
