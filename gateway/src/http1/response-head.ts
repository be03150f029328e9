import type { ResponseFraming } from '../exchange/framing.ts';
import type { FieldLines } from '../exchange/seam.ts';
import { scanFields, type FieldSection } from './field-section.ts';
import { valueChar } from './grammar.ts';
import type { HeadSource } from './head-source.ts';
import type { HeadLimits } from './request-head.ts';

/** A response head by the strict grammar, with its framing settled and what it says about its connection. */
export interface ParsedResponse {
  /** 100–599. */
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  readonly body: ResponseFraming;
  /** Whether the connection may serve another request: HTTP/1.1, not `close`, and a body that ends by itself (R36). */
  readonly persistence: 'keep' | 'close';
  /** The protocol switched to: `Upgrade` in lower case, when `Connection` lists it. */
  readonly upgrade: string | undefined;
  /** `Keep-Alive: timeout=` in seconds; −1: unsaid. */
  readonly keepAliveSeconds: number;
  /** Index in the text after the head: where the body begins. */
  readonly end: number;
}

const withoutBody: ResponseFraming = { kind: 'none', statedBytes: undefined };
const chunkedBody: ResponseFraming = { kind: 'chunked' };
const untilClose: ResponseFraming = { kind: 'until_close' };

/**
 * Reads a response head from the start of `source`. `method`: of the request it answers. `incomplete`: it may
 * still become one. `malformed`: it is not one, is over a limit, or its framing is ambiguous; the connection is of no more use.
 */
export function parseResponseHead(
  source: HeadSource,
  method: string,
  limits: HeadLimits,
): ParsedResponse | 'incomplete' | 'malformed' {
  const { text } = source;
  const version = text.startsWith('HTTP/1.1 ') ? '1.1' : text.startsWith('HTTP/1.0 ') ? '1.0' : undefined;
  if (version === undefined) {
    return text.length < 9 && ('HTTP/1.1 '.startsWith(text) || 'HTTP/1.0 '.startsWith(text))
      ? 'incomplete'
      : 'malformed';
  }
  if (text.length < 13) return 'incomplete';
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11);
  if (!(status >= 100 && status <= 599)) return 'malformed';
  const reasonEnd = scanReason(text);
  if (reasonEnd === -1) return 'malformed';
  if (reasonEnd + 1 >= text.length) return unfinished(text, limits);
  if (text.charCodeAt(reasonEnd + 1) !== 0x0a) return 'malformed';
  const section = scanFields(source, reasonEnd + 2, limits.headLines);
  if (section === 'incomplete') return unfinished(text, limits);
  if (typeof section === 'string' || section.end > limits.headBytes) return 'malformed';
  const body = responseBody(section, { status, method, version });
  if (body === 'malformed') return body;
  // R32: the bytes that a 204 announces and must not have would meet the next exchange.
  const surplus = status === 204 && (section.contentLength > 0 || section.transferCoding !== 'absent');
  const lasts =
    version === '1.1' && section.persistence !== 'close' && body.kind !== 'until_close' && !surplus;
  return {
    status,
    reason: text.slice(13, reasonEnd),
    fields: section.lines,
    body,
    persistence: lasts ? 'keep' : 'close',
    upgrade: section.upgradeListed === 'yes' ? section.upgrade : undefined,
    keepAliveSeconds: section.keepAliveSeconds,
    end: section.end,
  };
}

function unfinished(text: string, limits: HeadLimits): 'incomplete' | 'malformed' {
  return text.length < limits.headBytes ? 'incomplete' : 'malformed';
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

/** Index of the CR that ends the status line; −1 when there is something else. The space before an empty reason may be missing. */
function scanReason(text: string): number {
  const next = text.charCodeAt(12);
  if (next === 0x0d) return 12;
  if (next !== 0x20) return -1;
  let at = 13;
  while (at < text.length && valueChar[text.charCodeAt(at)] === 1) at += 1;
  return at === text.length || text.charCodeAt(at) === 0x0d ? at : -1;
}

interface Answered {
  readonly status: number;
  readonly method: string;
  readonly version: '1.0' | '1.1';
}

/** RFC 9112 §6.3 for responses; what is ambiguous is an error, even where no body follows (R15, R32). */
function responseBody(
  section: FieldSection,
  { status, method, version }: Answered,
): ResponseFraming | 'malformed' {
  const { contentLength, transferCoding } = section;
  if (contentLength === -2) return 'malformed';
  if (transferCoding !== 'absent')
    if (transferCoding !== 'chunked' || contentLength !== -1 || version === '1.0') return 'malformed';
  if (status < 200 || status === 204) return withoutBody;
  if (method === 'HEAD' || status === 304)
    return contentLength === -1 ? withoutBody : { kind: 'none', statedBytes: contentLength };
  if (transferCoding === 'chunked') return chunkedBody;
  return contentLength === -1 ? untilClose : { kind: 'length', bytes: contentLength };
}
