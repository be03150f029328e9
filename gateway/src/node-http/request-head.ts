import type { IncomingMessage } from 'node:http';

import type { ErrorCode } from '../exchange/errors.ts';
import { requestFraming } from '../exchange/framing.ts';
import type { ClientFacts, FieldLines, RequestHead } from '../exchange/seam.ts';
import type { ListenerLimits } from '../listeners/engine.ts';

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
): RequestHead | ErrorCode {
  const { httpVersion: version, rawHeaders: fields, method = '', url: target = '' } = message;
  if (version !== '1.1' && version !== '1.0') return 'unsupported_version';
  if (fields.length / 2 > limits.headLines) return 'fields_too_large';
  const lineBytes = method.length + target.length + 12;
  if (lineBytes > limits.headBytes) return 'target_too_long';
  if (lineBytes + fieldBytes(fields) > limits.headBytes) return 'fields_too_large';
  const body = requestFraming(fields, version);
  if (typeof body === 'string') return body;
  const upgrade = version === '1.1' ? upgradeProtocols(fields) : undefined;
  return { method, target, version, fields, body, upgrade, client };
}

function fieldBytes(fields: FieldLines): number {
  // Each line adds a colon, a space and CRLF; the last line is empty.
  let bytes = 2 + fields.length * 2;
  for (const text of fields) bytes += text.length;
  return bytes;
}

/** The protocols of `Upgrade`, in lower case, when `Connection` lists `upgrade` (RFC 9110 §7.8); else undefined. */
export function upgradeProtocols(fields: FieldLines): string | undefined {
  const protocols = listed(fields, 'upgrade');
  if (protocols === undefined) return undefined;
  const options = listed(fields, 'connection')?.split(',') ?? [];
  return options.some((option) => option.trim() === 'upgrade') ? protocols : undefined;
}

function listed(fields: FieldLines, name: string): string | undefined {
  let list: string | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const line = fields[i] ?? '';
    if (line.length !== name.length || line.toLowerCase() !== name) continue;
    const value = (fields[i + 1] ?? '').toLowerCase();
    list = list === undefined ? value : `${list}, ${value}`;
  }
  return list;
}

/** Whether a list of protocols names WebSocket, the only one for which a connection is handed over (R28). */
export function offersWebSocket(protocols: string | undefined): boolean {
  return protocols?.split(',').some((protocol) => protocol.trim() === 'websocket') === true;
}
