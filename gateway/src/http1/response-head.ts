import { keepAliveSeconds, responsePersistence } from '../http/connection.ts';
import { responseFraming } from '../http/framing.ts';
import type { HeaderFacts } from '../http/header-facts.ts';
import { scanFields } from './field-section.ts';
import { valueChar } from './grammar.ts';
import { headerLineFault, headLinesOf } from './head-fault.ts';
import type { HeadSource } from './head-source.ts';
import type { ReceivedResponse } from './instance-port.ts';
import type { HeadLimits } from './request-head.ts';

/** Why a response head is not taken, in a sentence: which line or which limit. It says nothing about where the instance is. */
export interface HeadFault {
  readonly fault: string;
}

/** I12: how much of a response head is taken: what instances send is not bounded by what clients may. */
export const responseHeadLimits: HeadLimits = { headBytes: 32_768, headLines: 500 };

/** A response head by the strict grammar, with its framing settled and what it says about its connection. */
export interface ParsedResponse extends ReceivedResponse {
  readonly headers: HeaderFacts;
  /** Index in the text after the head: where the body begins. */
  readonly end: number;
}

/**
 * Reads a response head from the start of `source`. `method`: of the request it answers. `incomplete`: it may
 * still become one. A fault: it is not one, is over a limit, or its framing is ambiguous; the connection is of no more use.
 */
export function parseResponseHead(
  source: HeadSource,
  method: string,
  limits: HeadLimits,
): ParsedResponse | 'incomplete' | HeadFault {
  const { text } = source;
  const version = text.startsWith('HTTP/1.1 ') ? '1.1' : text.startsWith('HTTP/1.0 ') ? '1.0' : undefined;
  if (version === undefined) {
    return text.length < 9 && ('HTTP/1.1 '.startsWith(text) || 'HTTP/1.0 '.startsWith(text))
      ? 'incomplete'
      : badStatusLine;
  }
  if (text.length < 13) return 'incomplete';
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11);
  if (!(status >= 100 && status <= 599)) return badStatusLine;
  const reasonEnd = scanReason(text);
  if (reasonEnd === -1) return badStatusLine;
  if (reasonEnd + 1 >= text.length) return unfinished(text, limits);
  if (text.charCodeAt(reasonEnd + 1) !== 0x0a) return badStatusLine;
  const section = scanFields(source, reasonEnd + 2, limits.headLines);
  if (section === 'incomplete') return unfinished(text, limits);
  if (section === 'too_many') return tooManyLines(limits);
  if (section === 'malformed') return lineFault(text.slice(reasonEnd + 2));
  if (section.end > limits.headBytes) return tooLong(limits);
  const { lines, headers, end } = section;
  const body = responseFraming(headers, { status, method, version });
  if (typeof body === 'string') return ambiguousFraming;
  return {
    status,
    reason: text.slice(13, reasonEnd),
    fields: lines,
    headers,
    body,
    persistence: responsePersistence(headers, { status, version, body }),
    keepAliveSeconds: keepAliveSeconds(headers),
    end,
  };
}

function unfinished(text: string, limits: HeadLimits): 'incomplete' | HeadFault {
  return text.length < limits.headBytes ? 'incomplete' : tooLong(limits);
}

export const badStatusLine: HeadFault = { fault: 'Its status line is not valid.' };

/** R15. */
export const ambiguousFraming: HeadFault = { fault: 'Its Content-Length or Transfer-Encoding is ambiguous.' };

export function tooLong({ headBytes }: HeadLimits): HeadFault {
  return { fault: `Its head is longer than ${headBytes} bytes.` };
}

export function tooManyLines({ headLines }: HeadLimits): HeadFault {
  return { fault: `Its head has more than ${headLines} lines.` };
}

/** What is wrong with the header lines that `text` begins with. */
export function lineFault(text: string): HeadFault {
  return { fault: headerLineFault(headLinesOf(text)) ?? 'Its head is not valid.' };
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
