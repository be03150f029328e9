import type { BodyFraming, FieldLines, RequestHead } from './seam.ts';

/**
 * How messages end on the wire (RFC 9112 §6). Decided once from the parsed head and written anew on the other side: no framing
 * field is ever copied. What two readers could frame differently is refused, not repaired. Shared by all engines.
 */

/** Why a request's framing is refused: ambiguous (400), or a transfer coding other than chunked (501). */
export type FramingRefusal = 'bad_framing' | 'unsupported_coding';

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

/** Digits of the largest length that is exact in a double, 9,007,199,254,740,991; leading zeros don't count. */
const lengthPattern = /^0*[0-9]{1,16}$/;

/** The values of the framing fields, in order, without surrounding white space. */
interface FramingFields {
  readonly lengths: readonly string[];
  readonly codings: readonly string[];
}

const nothing: readonly string[] = [];

/**
 * The framing of a request body, by RFC 9112 §6.3: exactly one of none, a length, chunked; or the reason to refuse the message
 * and to close its connection. Content-Length with Transfer-Encoding, repeated lengths (equal ones too), signs, lists, empty
 * values, Transfer-Encoding over HTTP/1.0, and anything but the single value `chunked` are refused.
 */
export function requestFraming(
  fields: FieldLines,
  version: RequestHead['version'],
): BodyFraming | FramingRefusal {
  const { lengths, codings } = framingFields(fields);
  if (codings.length > 0) {
    if (lengths.length > 0 || version === '1.0' || codings.length > 1) return 'bad_framing';
    return transferCoding(codings[0] ?? '');
  }
  if (lengths.length === 0) return { kind: 'none' };
  const bytes = lengths.length === 1 ? parseLength(lengths[0] ?? '') : undefined;
  return bytes === undefined ? 'bad_framing' : { kind: 'length', bytes };
}

/** What decides the framing of a response besides its fields. */
export interface ResponseFacts {
  /** The method of the request that it answers. */
  readonly method: string;
  /** A final status. */
  readonly status: number;
  readonly version: RequestHead['version'];
}

/**
 * The framing of a response body, by RFC 9112 §6.3, or `upstream_protocol` when it is invalid or ambiguous: such a response is
 * not relayed and its connection is closed. Answers to HEAD and statuses 204 and 304 have no body whatever their fields say.
 */
export function responseFraming(
  fields: FieldLines,
  { method, status, version }: ResponseFacts,
): ResponseFraming | 'upstream_protocol' {
  const { lengths, codings } = framingFields(fields);
  const bytes = lengths.length === 1 ? parseLength(lengths[0] ?? '') : undefined;
  if (lengths.length > 0 && (bytes === undefined || codings.length > 0)) return 'upstream_protocol';
  if (codings.length > 0) {
    if (codings.length > 1 || version === '1.0' || codings[0]?.toLowerCase() !== 'chunked')
      return 'upstream_protocol';
  }
  if (status === 204) return { kind: 'none', statedBytes: undefined };
  if (method === 'HEAD' || status === 304) return { kind: 'none', statedBytes: bytes };
  if (codings.length > 0) return { kind: 'chunked' };
  return bytes === undefined ? { kind: 'until_close' } : { kind: 'length', bytes };
}

function framingFields(fields: FieldLines): FramingFields {
  let lengths = nothing;
  let codings = nothing;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    if (name.length !== 14 && name.length !== 17) continue;
    const lower = name.toLowerCase();
    const value = (fields[i + 1] ?? '').replace(/^[ \t]+|[ \t]+$/g, '');
    if (lower === 'content-length') lengths = [...lengths, value];
    else if (lower === 'transfer-encoding') codings = [...codings, value];
  }
  return { lengths, codings };
}

function parseLength(value: string): number | undefined {
  if (!lengthPattern.test(value)) return undefined;
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** RFC 9112 §6.1: the last coding of a request must be chunked, and only once. Others before it are not spoken here. */
function transferCoding(value: string): BodyFraming | FramingRefusal {
  const members = value.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase());
  if (members.length === 1 && members[0] === 'chunked') return { kind: 'chunked' };
  if (!members.every((member) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(member))) return 'bad_framing';
  return members.indexOf('chunked') === members.length - 1 ? 'unsupported_coding' : 'bad_framing';
}
