/**
 * How messages end on the wire (RFC 9112 §6). Decided once from the parsed head and written anew on the other side: no framing
 * field is ever copied (R13). What two readers could frame differently is refused, not repaired.
 */

/** What `Transfer-Encoding` says. `other`: ends in chunked after codings that are not known here. `faulty`: anything else. */
export type TransferCoding = 'absent' | 'chunked' | 'other' | 'faulty';

/** What the header lines say about framing. */
export interface FramingFacts {
  /** Value of the only Content-Length; −1: absent; −2: repeated or not a plain decimal number. */
  readonly contentLength: number;
  readonly transferCoding: TransferCoding;
}

export type HttpVersion = '1.0' | '1.1';

/** How a message body ends, decided from what was parsed, never copied from a header (RFC 9112 §6.3). */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' };

/** How the body of a response ends. */
export type ResponseFraming =
  | {
      readonly kind: 'none';
      /** The length a GET would have had: HEAD and 304 may state it without sending it (RFC 9110 §8.6). */
      readonly statedBytes: number | undefined;
    }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** At the end of the connection (RFC 9112 §6.3, rule 8). */
  | { readonly kind: 'until_close' };

const noBody: BodyFraming = { kind: 'none' };
const chunkedBody = { kind: 'chunked' } as const;
const withoutBody: ResponseFraming = { kind: 'none', statedBytes: undefined };
const untilClose: ResponseFraming = { kind: 'until_close' };

/**
 * The framing of a request body, by RFC 9112 §6.3: exactly one of none (R33: then none is invented), a length, chunked; or the reason to refuse the message
 * and to close its connection: ambiguous, or a transfer coding other than chunked. R11: Content-Length with Transfer-Encoding, or
 * Transfer-Encoding over HTTP/1.0. R12: anything but the single value `chunked`. R14: a length that is repeated (an equal one too),
 * signed, empty, a list or beyond exact numbers.
 */
export function requestFraming(
  { contentLength, transferCoding }: FramingFacts,
  version: HttpVersion,
): BodyFraming | 'bad_framing' | 'unsupported_coding' {
  if (transferCoding !== 'absent') {
    if (contentLength !== -1 || version === '1.0' || transferCoding === 'faulty') return 'bad_framing';
    return transferCoding === 'chunked' ? chunkedBody : 'unsupported_coding';
  }
  if (contentLength === -2) return 'bad_framing';
  return contentLength === -1 ? noBody : { kind: 'length', bytes: contentLength };
}

/** What decides the framing of a response besides its fields. */
export interface ResponseStart {
  /** The method of the request that it answers. */
  readonly method: string;
  readonly status: number;
  readonly version: HttpVersion;
}

/**
 * R15: the framing of a response body, by RFC 9112 §6.3, or `upstream_protocol` when it is invalid or ambiguous, even where no body
 * follows: such a response is not relayed and its connection is closed. Responses to HEAD and the statuses 1xx, 204 and 304 have no
 * body whatever their fields say.
 */
export function responseFraming(
  { contentLength, transferCoding }: FramingFacts,
  { method, status, version }: ResponseStart,
): ResponseFraming | 'upstream_protocol' {
  if (contentLength === -2) return 'upstream_protocol';
  if (transferCoding !== 'absent')
    if (transferCoding !== 'chunked' || contentLength !== -1 || version === '1.0') return 'upstream_protocol';
  if (status < 200 || status === 204) return withoutBody;
  if (method === 'HEAD' || status === 304)
    return contentLength === -1 ? withoutBody : { kind: 'none', statedBytes: contentLength };
  if (transferCoding === 'chunked') return chunkedBody;
  return contentLength === -1 ? untilClose : { kind: 'length', bytes: contentLength };
}

/** How a response to a client is framed. `length` also tells what a HEAD or a 304 would have had. `close`: by the end of the connection. */
export type SentFraming = BodyFraming | { readonly kind: 'close' };

/**
 * R42: the framing in which a response goes to a client: the instance's where this client can read it, chunks where the body would
 * end with the connection; HTTP/1.0 knows no chunks (RFC 9112 §6.1).
 */
export function sentFraming(body: ResponseFraming, version: HttpVersion): SentFraming {
  switch (body.kind) {
    case 'none':
      return body.statedBytes === undefined ? noBody : { kind: 'length', bytes: body.statedBytes };
    case 'length':
      return body;
    case 'chunked':
    case 'until_close':
      return { kind: version === '1.1' ? 'chunked' : 'close' };
  }
}

/** R14, RFC 9110 §8.6: decimal digits and nothing else; leading zeros are understood, and never sent on. −2 for anything else. */
export function parseLength(value: string): number {
  if (value === '') return -2;
  let bytes = 0;
  for (let i = 0; i < value.length; i += 1) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -2;
    bytes = bytes * 10 + digit;
  }
  return Number.isSafeInteger(bytes) ? bytes : -2;
}

/** A longer list of transfer codings is nonsense. */
const maxCodingsLength = 256;

/** R12, RFC 9112 §6.1: only the single word `chunked` is taken; a list that ends in it is told apart from nonsense. */
export function parseCoding(value: string): TransferCoding {
  const lower = value.toLowerCase();
  if (lower === 'chunked') return 'chunked';
  if (lower.length > maxCodingsLength) return 'faulty';
  const codings = lower.split(',').map((item) => item.replace(/^[ \t]+|[ \t]+$/g, ''));
  if (codings.indexOf('chunked') !== codings.length - 1) return 'faulty';
  return codings.every((coding) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(coding)) ? 'other' : 'faulty';
}
