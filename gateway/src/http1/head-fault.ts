import type { ErrorCode } from '../exchange/errors.ts';
import { parseCoding, parseLength } from '../http/framing.ts';
import type { ListenerLimits } from '../http/limits.ts';
import { isFieldText, isToken } from './grammar.ts';

/**
 * Why a request is refused, in a sentence: which line or which limit. It repeats nothing of what has come. To be called once `code` is
 * known, so that good requests don't pay for it. `text`: the head from its first byte on, as far as it is known, latin1. Undefined:
 * `code` says it all.
 */
export function requestFault(code: ErrorCode, text: string, limits: ListenerLimits): string | undefined {
  const { headBytes, headLines, bodyBytes, requestHeadMs } = limits;
  const [line = '', ...lines] = headLinesOf(text);
  switch (code) {
    case 'request_timeout':
      return `The request head did not arrive within ${requestHeadMs / 1000} s.`;
    case 'content_too_large':
      return bodyBytes > 0 ? `The request body is longer than ${bodyBytes} bytes.` : undefined;
    case 'target_too_long':
      return `The request target is longer than ${headBytes} bytes.`;
    case 'fields_too_large':
      return lines.length > headLines
        ? `The request head has more than ${headLines} header lines.`
        : `The request head is longer than ${headBytes} bytes.`;
    case 'bad_request':
      return text === '' ? undefined : (requestLineFault(line) ?? headerLineFault(lines));
    case 'bad_framing':
    case 'unsupported_coding':
      return framingFault(lines, line.endsWith('1.0') ? '1.0' : '1.1');
    default:
      return undefined;
  }
}

/** The lines of a head, without the empty ones around it. */
export function headLinesOf(text: string): readonly string[] {
  const lines = (text.startsWith('\r\n') ? text.slice(2) : text).split('\r\n');
  const end = lines.indexOf('', 1);
  return end === -1 ? lines : lines.slice(0, end);
}

/** Which of the header lines is against the grammar; R17, R18, R19. */
export function headerLineFault(lines: readonly string[]): string | undefined {
  for (const [index, line] of lines.entries()) {
    const what = faultIn(line);
    if (what !== undefined) return `Header line ${index + 1} ${what}.`;
  }
  return undefined;
}

function faultIn(line: string): string | undefined {
  if (/^[ \t]/.test(line)) return 'is folded';
  if (!isFieldText(line)) return 'holds a control character';
  const [name = ''] = line.split(':', 1);
  if (name === line) return 'has no colon';
  if (/[ \t]$/.test(name)) return 'has white space before its colon';
  return isToken(name) ? undefined : 'has a name that is no token';
}

/** R25 and the grammar of RFC 9112 §3. */
function requestLineFault(line: string): string | undefined {
  if (!isFieldText(line) || line.includes('\t')) return 'The request line holds a control character.';
  const [method = '', target = '', version = '', ...more] = line.split(' ');
  if (!isToken(method)) return 'The request line does not begin with a method.';
  if (target === '' || version === '' || more.length > 0)
    return 'The request line is not a method, a target and a version with one space between them.';
  return /^HTTP\/1\.[01]$/.test(version) ? undefined : 'The request line does not end with HTTP/1.1.';
}

/** Which of the header lines leaves the framing of a request open; R11, R12, R14. */
function framingFault(lines: readonly string[], version: '1.0' | '1.1'): string | undefined {
  let length: number | undefined;
  let coding: number | undefined;
  for (const [index, line] of lines.entries()) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    const which = `Header line ${index + 1}`;
    if (name === 'content-length') {
      if (length !== undefined) return `${which} repeats Content-Length.`;
      if (parseLength(value) === -2) return `${which} is a Content-Length that is not one decimal number.`;
      length = index + 1;
    } else if (name === 'transfer-encoding') {
      if (coding !== undefined) return `${which} repeats Transfer-Encoding.`;
      if (version === '1.0') return `${which} is a Transfer-Encoding, which HTTP/1.0 does not know.`;
      if (parseCoding(value) !== 'chunked') return `${which} is a Transfer-Encoding other than chunked.`;
      coding = index + 1;
    }
  }
  if (length === undefined || coding === undefined) return undefined;
  return `Header lines ${Math.min(length, coding)} and ${Math.max(length, coding)} are Content-Length and Transfer-Encoding.`;
}
