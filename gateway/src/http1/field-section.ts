import { fieldRole } from '../http/field-roles.ts';
import { HeaderFacts } from '../http/header-facts.ts';
import { tokenChar, valueChar } from './grammar.ts';
import type { HeadSource } from './head-source.ts';

/** What ends a scan early. `incomplete`: more bytes are needed. `malformed`: against the grammar. `too_many`: over the line limit. */
export type FieldFault = 'incomplete' | 'malformed' | 'too_many';

/** The header lines of one message, and what they say. */
export interface FieldSection {
  /** Name, value, name, value … in order, as on the wire. */
  readonly lines: readonly string[];
  readonly headers: HeaderFacts;
  /** Index after the empty line that ends the section. */
  readonly end: number;
}

/**
 * Reads header lines from `from` to the empty line, by the strict grammar of RFC 9112 §5: a token and a colon right after it (R19),
 * a value without control characters, no bare CR or LF (R18), no folding (R17). Bytes ≥ 0x80 stay as they are (R45).
 */
export function scanFields(source: HeadSource, from: number, maxLines: number): FieldSection | FieldFault {
  const lines: string[] = [];
  const headers = new HeaderFacts();
  const { text, bytes, offset } = source;
  const end = text.length;
  let at = from;
  for (;;) {
    if (at >= end) return 'incomplete';
    let code = bytes[offset + at] ?? 0;
    if (code === 0x0d) {
      if (at + 1 >= end) return 'incomplete';
      if (bytes[offset + at + 1] !== 0x0a) return 'malformed';
      return { lines, headers, end: at + 2 };
    }
    const nameStart = at;
    while (tokenChar[code] === 1) {
      at += 1;
      if (at >= end) return 'incomplete';
      code = bytes[offset + at] ?? 0;
    }
    if (code !== 0x3a || at === nameStart) return 'malformed';
    const nameEnd = at;
    at += 1;
    while (at < end && isBlank(bytes[offset + at])) at += 1;
    const valueStart = at;
    while (at < end && valueChar[bytes[offset + at] ?? 0] === 1) at += 1;
    if (at + 1 >= end) return at < end && bytes[offset + at] !== 0x0d ? 'malformed' : 'incomplete';
    if (bytes[offset + at] !== 0x0d || bytes[offset + at + 1] !== 0x0a) return 'malformed';
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[offset + valueEnd - 1])) valueEnd -= 1;
    at += 2;
    if (lines.length >= 2 * maxLines) return 'too_many';
    const name = text.substring(nameStart, nameEnd);
    const role = fieldRole(name);
    const value = text.substring(valueStart, valueEnd);
    if (role !== 'end-to-end') {
      headers.mark(lines.length >> 1);
      headers.note(role, name, value);
    }
    lines.push(name, value);
  }
}

const isBlank = (code: number | undefined): boolean => code === 0x20 || code === 0x09;
