import type { IncomingMessage } from 'node:http';

import type { ErrorCode } from '../exchange/errors.ts';
import { offeredUpgrade, requestPersistence, wantsTrailers } from '../http/connection.ts';
import { requestFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { expectationOf } from '../http/interim.ts';
import type { ClientFacts } from '../http/message.ts';
import type { ListenerLimits } from '../http/limits.ts';
import { requestFault } from '../http1/head-fault.ts';
import type { AcceptedRequest } from '../proxy/ports.ts';

/** The parts of node:http's message that make a head. */
export type ParsedMessage = Pick<IncomingMessage, 'httpVersion' | 'method' | 'rawHeaders' | 'url'>;

/**
 * Turns what node:http parsed into a head, from `rawHeaders` only: the joined object loses lines. The parser takes more than
 * RFC 9112 allows; what it takes too much is refused here with the returned code: HTTP/0.9 and 2.0 lines, ambiguous framing,
 * too many lines (Node ≤ 24.18.0 hides the lines after the thousandth and still obeys them, CVE-2026-58044).
 */
export function readHead(
  message: ParsedMessage,
  client: ClientFacts,
  limits: ListenerLimits,
): AcceptedRequest | ErrorCode {
  const { httpVersion: version, rawHeaders: fields, method = '', url: target = '' } = message;
  if (version !== '1.1' && version !== '1.0') return 'unsupported_version';
  if (fields.length / 2 > limits.headLines) return 'fields_too_large';
  if (lineBytes(message) > limits.headBytes) return 'target_too_long';
  const headBytes = headBytesOf(message);
  if (headBytes > limits.headBytes) return 'fields_too_large';
  const headers = readHeaders(fields);
  const body = requestFraming(headers, version);
  if (typeof body === 'string') return body;
  if (limits.bodyBytes > 0 && body.kind === 'length' && body.bytes > limits.bodyBytes)
    return 'content_too_large';
  return {
    method,
    target,
    version,
    fields,
    headers,
    body,
    upgrade: offeredUpgrade(headers, version),
    client,
    persistence: requestPersistence(headers, version, method),
    wantsTrailers: wantsTrailers(headers, version),
    expectation: expectationOf(headers, version) === 'continue' ? 'continue' : 'none',
    headBytes,
  };
}

/** The sentence about a head that `readHead` refuses. */
export function whyNoHead(
  code: ErrorCode,
  message: ParsedMessage,
  limits: ListenerLimits,
): string | undefined {
  return requestFault(code, headText(message), limits);
}

/** A head as it came, but for white space. */
function headText({ httpVersion, method = '', rawHeaders, url = '' }: ParsedMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    lines.push(`${rawHeaders[i] ?? ''}: ${rawHeaders[i + 1] ?? ''}`);
  return lines.join('\r\n');
}

/** The bytes of a head, but for white space that has no meaning. */
export function headBytesOf(message: ParsedMessage): number {
  const { rawHeaders } = message;
  // Each line adds a colon, a space and CRLF; the last line is empty.
  let bytes = lineBytes(message) + 2 + rawHeaders.length * 2;
  for (const text of rawHeaders) bytes += text.length;
  return bytes;
}

const lineBytes = ({ method = '', url = '' }: ParsedMessage): number => method.length + url.length + 12;
