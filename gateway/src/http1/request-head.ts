import type { ErrorCode } from '../exchange/errors.ts';
import { offeredUpgrade, requestPersistence, wantsTrailers } from '../http/connection.ts';
import { requestFraming } from '../http/framing.ts';
import type { HeaderFacts } from '../http/header-facts.ts';
import { expectationOf } from '../http/interim.ts';
import type { ClientFacts } from '../http/message.ts';
import type { ListenerLimits } from '../http/limits.ts';
import type { AcceptedRequest } from '../proxy/ports.ts';
import { scanFields } from './field-section.ts';
import { targetChar, tokenChar } from './grammar.ts';
import { readHead, type HeadSource } from './head-source.ts';

/** How much of a head is taken. */
export type HeadLimits = Pick<ListenerLimits, 'headBytes' | 'headLines'>;

/** A request head by the strict grammar, with its framing settled and what it says about its connection. */
export interface ParsedRequest extends AcceptedRequest {
  readonly headers: HeaderFacts;
  /** Index in the text after the head: where the body begins. */
  readonly end: number;
}

/**
 * Reads a request head (RFC 9112 §2–6) from the start of `source`. One empty line before it is passed over
 * (§2.2). `incomplete`: it may still become one. Any other string is the error it is to be answered with; the bytes after it
 * must not be read then.
 */
export function parseRequestHead(
  source: HeadSource,
  limits: HeadLimits,
  client: ClientFacts,
): ParsedRequest | ErrorCode | 'incomplete' {
  const { text } = source;
  const start = text.charCodeAt(0) === 0x0d && text.charCodeAt(1) === 0x0a ? 2 : 0;
  const methodEnd = scanToken(text, start);
  if (methodEnd === text.length) return text.length < limits.headBytes ? 'incomplete' : 'bad_request';
  if (methodEnd === start || text.charCodeAt(methodEnd) !== 0x20)
    return start === 0 && text === '\r' ? 'incomplete' : 'bad_request';
  const targetEnd = scanTarget(text, methodEnd + 1);
  if (targetEnd === text.length) return unfinished(text, limits);
  if (targetEnd === methodEnd + 1) return 'bad_request';
  if (text.charCodeAt(targetEnd) !== 0x20) return 'bad_request';
  if (targetEnd > limits.headBytes) return 'target_too_long';
  const version = parseVersion(text, targetEnd + 1);
  if (version === 'incomplete') return unfinished(text, limits);
  if (version !== '1.1' && version !== '1.0') return version;
  const section = scanFields(source, targetEnd + 11, limits.headLines);
  if (section === 'incomplete') return unfinished(text, limits);
  if (section === 'malformed') return 'bad_request';
  if (section === 'too_many' || section.end > limits.headBytes) return 'fields_too_large';
  const { lines, headers, end } = section;
  const body = requestFraming(headers, version);
  if (typeof body === 'string') return body;
  const method = text.substring(start, methodEnd);
  return {
    method,
    target: text.substring(methodEnd + 1, targetEnd),
    version,
    fields: lines,
    headers,
    body,
    client,
    upgrade: offeredUpgrade(headers, version),
    persistence: requestPersistence(headers, version, method),
    wantsTrailers: wantsTrailers(headers, version),
    expectation: expectationOf(headers, version) === 'continue' ? 'continue' : 'none',
    end,
    headBytes: end,
  };
}

/** A head that has not ended: wait, unless it is over the limit already. A target that fills it is named as the culprit. */
function unfinished(text: string, limits: HeadLimits): ErrorCode | 'incomplete' {
  if (text.length < limits.headBytes) return 'incomplete';
  return text.includes('\r\n', 2) ? 'fields_too_large' : 'target_too_long';
}

function scanToken(text: string, from: number): number {
  let at = from;
  while (at < text.length && tokenChar[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

function scanTarget(text: string, from: number): number {
  let at = from;
  while (at < text.length && targetChar[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

/** `HTTP/1.1` or `HTTP/1.0` and CRLF, to the letter. Other well-formed versions are 505, everything else 400 (R25). */
function parseVersion(text: string, from: number): '1.0' | '1.1' | ErrorCode | 'incomplete' {
  if (text.startsWith('HTTP/1.1\r\n', from)) return '1.1';
  if (text.startsWith('HTTP/1.0\r\n', from)) return '1.0';
  const rest = text.substring(from, from + 10);
  if (
    rest.length < 10 &&
    /^(?:H|HT|HTT|HTTP|HTTP\/|HTTP\/\d|HTTP\/\d\.|HTTP\/\d\.\d|HTTP\/\d\.\d\r)?$/.test(rest)
  )
    return 'incomplete';
  return /^HTTP\/\d\.\d\r\n$/.test(rest) && !/^HTTP\/(?:0\.9|1\.[01])/.test(rest)
    ? 'unsupported_version'
    : 'bad_request';
}

/** Reads a request head from `bytes`; as {@link parseRequestHead}, and refuses a body that is announced to be longer than allowed. */
export function readRequestHead(
  bytes: Buffer,
  range: readonly [number, number],
  limits: ListenerLimits,
  client: ClientFacts,
): ReturnType<typeof parseRequestHead> {
  const head = readHead(bytes, range, limits.headBytes, (source) => parseRequestHead(source, limits, client));
  if (typeof head === 'string' || limits.bodyBytes === 0 || head.body.kind !== 'length') return head;
  return head.body.bytes > limits.bodyBytes ? 'content_too_large' : head;
}
