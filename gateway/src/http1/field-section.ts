import { fieldName, type FieldRole } from './field-names.ts';
import { isToken, tokenChar, valueChar } from './grammar.ts';
import type { HeadSource } from './head-source.ts';

/** What ends a scan early. `incomplete`: more bytes are needed. `malformed`: against the grammar. `too_many`: over the line limit. */
export type FieldFault = 'incomplete' | 'malformed' | 'too_many';

/** What `Transfer-Encoding` says. `other`: ends in chunked after codings that we don't know. `faulty`: anything else. */
export type TransferCoding = 'absent' | 'chunked' | 'other' | 'faulty';

/**
 * The header lines of one message, and what the ones that concern this connection say: gathered while they are scanned, so
 * that nobody has to go through them a second time.
 */
export class FieldSection {
  /** Name, value, name, value … in order, as on the wire. */
  readonly lines: string[] = [];
  /** Index after the empty line that ends the section. */
  end = 0;
  /** Value of the only Content-Length; −1: absent; −2: repeated or not a plain decimal number (RFC 9112 §6.3). */
  contentLength = -1;
  transferCoding: TransferCoding = 'absent';
  /** What `Connection` says about this connection; `close` wins (RFC 9112 §9.3). */
  persistence: 'unsaid' | 'close' | 'keep-alive' = 'unsaid';
  /** Whether `Connection` lists `upgrade`. */
  upgradeListed: 'no' | 'yes' = 'no';
  /** Members of `Upgrade`, in lower case. */
  upgrade: string | undefined = undefined;
  /** Whether `TE` lists `trailers` (RFC 9110 §10.1.4). */
  trailers: 'unwanted' | 'wanted' = 'unwanted';
  /** Whether the sender waits for a 100 (RFC 9110 §10.1.1). */
  expectation: 'none' | 'continue' = 'none';
  /** `Keep-Alive: timeout=` in seconds: how long the sender keeps an idle connection; −1: unsaid. */
  keepAliveSeconds = -1;
}

/**
 * Reads header lines from `from` to the empty line, by the strict grammar of RFC 9112 §5: a token, a colon right after it,
 * a value without control characters; no folding, no bare CR or LF. Bytes ≥ 0x80 stay as they are.
 */
export function scanFields(source: HeadSource, from: number, maxLines: number): FieldSection | FieldFault {
  const section = new FieldSection();
  const { lines } = section;
  const { text, bytes, offset } = source;
  const end = text.length;
  let at = from;
  for (;;) {
    if (at >= end) return 'incomplete';
    let code = bytes[offset + at] ?? 0;
    if (code === 0x0d) {
      if (at + 1 >= end) return 'incomplete';
      if (bytes[offset + at + 1] !== 0x0a) return 'malformed';
      section.end = at + 2;
      return section;
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
    const name = fieldName(source, nameStart, nameEnd);
    const value = text.substring(valueStart, valueEnd);
    lines.push(name.text, value);
    if (name.role !== 'passing') note(section, name.role, value);
  }
}

const isBlank = (code: number | undefined): boolean => code === 0x20 || code === 0x09;

function note(section: FieldSection, role: Exclude<FieldRole, 'passing'>, value: string): void {
  switch (role) {
    case 'te':
      if (lists(value, 'trailers')) section.trailers = 'wanted';
      return;
    case 'expect':
      if (value.toLowerCase() === '100-continue') section.expectation = 'continue';
      return;
    case 'upgrade':
      noteUpgrade(section, value);
      return;
    case 'connection':
      noteConnection(section, value);
      return;
    case 'keep-alive':
      noteKeepAlive(section, value);
      return;
    case 'content-length':
      section.contentLength = section.contentLength === -1 ? parseLength(value) : -2;
      return;
    case 'transfer-encoding':
      section.transferCoding = section.transferCoding === 'absent' ? parseCoding(value) : 'faulty';
  }
}

function noteUpgrade(section: FieldSection, value: string): void {
  const lower = value.toLowerCase();
  section.upgrade = section.upgrade === undefined ? lower : `${section.upgrade}, ${lower}`;
}

function noteKeepAlive(section: FieldSection, value: string): void {
  const seconds = /(?:^|[,; \t])timeout[ \t]*=[ \t]*"?(\d{1,9})/i.exec(value)?.[1];
  if (seconds !== undefined) section.keepAliveSeconds = Number(seconds);
}

function noteConnection(section: FieldSection, value: string): void {
  // What nearly every such line says.
  if (value === 'keep-alive') {
    if (section.persistence === 'unsaid') section.persistence = value;
    return;
  }
  if (lists(value, 'close')) section.persistence = 'close';
  else if (section.persistence === 'unsaid' && lists(value, 'keep-alive')) section.persistence = 'keep-alive';
  if (lists(value, 'upgrade')) section.upgradeListed = 'yes';
}

/** Whether a comma-separated field lists `member` (lower case), in any spelling, with or without parameters. */
export function lists(value: string, member: string): boolean {
  const lower = value.toLowerCase();
  if (lower === member) return true;
  if (!lower.includes(member)) return false;
  return lower.split(',').some((item) => (item.split(';')[0] ?? '').trim() === member);
}

/** RFC 9110 §8.6: decimal digits and nothing else; leading zeros are understood, and never sent on. −2 for anything else. */
function parseLength(value: string): number {
  if (value === '') return -2;
  let bytes = 0;
  for (let i = 0; i < value.length; i += 1) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -2;
    bytes = bytes * 10 + digit;
  }
  return Number.isSafeInteger(bytes) ? bytes : -2;
}

/** RFC 9112 §6.1: only the single word `chunked` is taken; a list that ends in it is told apart from nonsense. */
function parseCoding(value: string): TransferCoding {
  const lower = value.toLowerCase();
  if (lower === 'chunked') return 'chunked';
  const codings = lower.split(',').map((item) => item.trim());
  const chunked = codings.indexOf('chunked');
  if (chunked === -1 || chunked !== codings.length - 1) return 'faulty';
  return codings.every(isToken) ? 'other' : 'faulty';
}
