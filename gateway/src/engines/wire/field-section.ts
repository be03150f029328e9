import { isToken, tokenChar, valueChar } from './grammar.ts';

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
export function scanFields(text: string, from: number, maxLines: number): FieldSection | FieldFault {
  const section = new FieldSection();
  const { lines } = section;
  const end = text.length;
  let at = from;
  for (;;) {
    if (at >= end) return 'incomplete';
    let code = text.charCodeAt(at);
    if (code === 0x0d) {
      if (at + 1 >= end) return 'incomplete';
      if (text.charCodeAt(at + 1) !== 0x0a) return 'malformed';
      section.end = at + 2;
      return section;
    }
    const nameStart = at;
    while (tokenChar[code] === 1) {
      at += 1;
      if (at >= end) return 'incomplete';
      code = text.charCodeAt(at);
    }
    if (code !== 0x3a || at === nameStart) return 'malformed';
    const nameEnd = at;
    at += 1;
    while (at < end && isBlank(text.charCodeAt(at))) at += 1;
    const valueStart = at;
    while (at < end && valueChar[text.charCodeAt(at)] === 1) at += 1;
    if (at + 1 >= end) return at < end && text.charCodeAt(at) !== 0x0d ? 'malformed' : 'incomplete';
    if (text.charCodeAt(at) !== 0x0d || text.charCodeAt(at + 1) !== 0x0a) return 'malformed';
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    at += 2;
    if (lines.length >= 2 * maxLines) return 'too_many';
    const name = text.substring(nameStart, nameEnd);
    const value = text.substring(valueStart, valueEnd);
    lines.push(name, value);
    note(section, name, value);
  }
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** Names are told apart by length first: most lines cost one comparison. */
function note(section: FieldSection, name: string, value: string): void {
  switch (name.length) {
    case 2:
      if (name.toLowerCase() === 'te' && lists(value, 'trailers')) section.trailers = 'wanted';
      return;
    case 6:
      if (name.toLowerCase() === 'expect' && value.toLowerCase() === '100-continue')
        section.expectation = 'continue';
      return;
    case 7:
      if (name.toLowerCase() === 'upgrade') noteUpgrade(section, value);
      return;
    case 10:
      noteConnection(section, name.toLowerCase(), value);
      return;
    case 14:
      if (name.toLowerCase() === 'content-length') {
        section.contentLength = section.contentLength === -1 ? parseLength(value) : -2;
      }
      return;
    case 17:
      if (name.toLowerCase() === 'transfer-encoding') {
        section.transferCoding = section.transferCoding === 'absent' ? parseCoding(value) : 'faulty';
      }
      return;
    default:
  }
}

function noteUpgrade(section: FieldSection, value: string): void {
  const lower = value.toLowerCase();
  section.upgrade = section.upgrade === undefined ? lower : `${section.upgrade}, ${lower}`;
}

function noteConnection(section: FieldSection, name: string, value: string): void {
  if (name === 'keep-alive') {
    const seconds = /(?:^|[,; \t])timeout[ \t]*=[ \t]*"?(\d{1,9})/i.exec(value)?.[1];
    if (seconds !== undefined) section.keepAliveSeconds = Number(seconds);
  } else if (name === 'connection') {
    if (lists(value, 'close')) section.persistence = 'close';
    else if (section.persistence === 'unsaid' && lists(value, 'keep-alive'))
      section.persistence = 'keep-alive';
    if (lists(value, 'upgrade')) section.upgradeListed = 'yes';
  }
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
