import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { ListenerLimits } from '../http/limits.ts';
import { requestFault } from '../http1/head-fault.ts';
import {
  ambiguousFraming,
  badStatusLine,
  lineFault,
  responseHeadLimits,
  tooLong,
  type HeadFault,
} from '../http1/response-head.ts';

/** The only reader of Node's and the parser's `error.code`s in this engine. Messages are never matched. */

/** The `code` of a system or parser error; empty when it has none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

const parseFailures: Readonly<Partial<Record<string, ErrorCode>>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'content_too_large',
  HPE_HEADER_OVERFLOW: 'fields_too_large',
  HPE_INVALID_CHUNK_SIZE: 'bad_framing',
  HPE_INVALID_CONTENT_LENGTH: 'bad_framing',
  HPE_INVALID_TRANSFER_ENCODING: 'bad_framing',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'bad_framing',
};

/** What an error on a client connection means: the answer it deserves, or that the client has gone. */
export function refusalOf(
  error: Error,
  { headBytes }: Pick<ListenerLimits, 'headBytes'>,
): ErrorCode | 'gone' {
  const name = codeOf(error);
  if (name === 'HPE_INVALID_EOF_STATE') return 'gone';
  const code = parseFailures[name] ?? (name.startsWith('HPE_') ? 'bad_request' : 'gone');
  if (code !== 'fields_too_large' || !('rawPacket' in error) || !(error.rawPacket instanceof Buffer))
    return code;
  // The request line alone was too long when no line of the head has ended by then.
  const line = error.rawPacket.subarray(0, headBytes * 2);
  const startsHead = /^[A-Z-]{1,32} \S/.test(line.toString('latin1', 0, 64));
  return startsHead && !line.includes('\r\n') ? 'target_too_long' : code;
}

/** The sentence about a request for which {@link refusalOf} gives `code`. */
export function whyRefused(
  code: ErrorCode,
  error: Error,
  { bytesRead }: Pick<Socket, 'bytesRead'>,
  limits: ListenerLimits,
): string | undefined {
  return requestFault(code, refusedHead(error, bytesRead), limits);
}

/**
 * The head that an error of the parser is about, up to the line that it has failed in; empty where it isn't known, because the head
 * or its connection has had earlier packets.
 */
function refusedHead(error: Error, bytesRead: number): string {
  if (!('rawPacket' in error) || !(error.rawPacket instanceof Buffer)) return '';
  const { rawPacket } = error;
  const whole = rawPacket.toString('latin1');
  const lineEnd = whole.indexOf('\r\n', 'bytesParsed' in error ? Number(error.bytesParsed) : 0);
  const text = lineEnd === -1 ? whole : whole.slice(0, lineEnd);
  const begins = bytesRead === rawPacket.length || /^[!-~]+ [!-\xff]+ HTTP\/1\.[01]\r\n/.test(text);
  return begins && !text.includes('\r\n\r\n') ? text : '';
}

/** What an error of the parser says about a response head; undefined for any other error. */
export function responseFault(error: unknown): HeadFault | undefined {
  const name = codeOf(error);
  if (!name.startsWith('HPE_')) return undefined;
  if (name === 'HPE_HEADER_OVERFLOW') return tooLong(responseHeadLimits);
  if (parseFailures[name] === 'bad_framing') return ambiguousFraming;
  if (error instanceof Error && 'rawPacket' in error && error.rawPacket instanceof Buffer) {
    const text = error.rawPacket.toString('latin1');
    const fields = text.indexOf('\r\n') + 2;
    if (/^HTTP\/1\.[01] [1-5]\d\d[ \r]/.test(text) && fields > 1) return lineFault(text.slice(fields));
  }
  return badStatusLine;
}
