import { fieldRole, staysOnConnection, type FieldRole } from '../http/field-roles.ts';
import { sentFraming, type ResponseFraming } from '../http/framing.ts';
import type { AttemptStep, BodyFraming, FieldLines, RequestHead } from '../exchange/seam.ts';

/** Methods for which Node's client writes no framing by itself and a missing one means no body to every reader. */
const bodilessMethods = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** What node:http refuses to write: field values and reasons outside RFC 9110 §5.5. */
const unwritable = /[^\t\x20-\x7e\x80-\xff]/;

/** Whether text that came from a peer can be written again as it is. */
export function isWritable(text: string): boolean {
  return !unwritable.test(text);
}

/**
 * The header lines of an attempt, framing last: exactly one of Content-Length, `chunked` and nothing, for every method, from
 * what the parser saw (RFC 9112 §6). `Trailer` never goes out: this engine discards trailers (RFC 9110 §6.5.1), and
 * `http.request` throws on `Trailer` without chunks. `Expect` is not a word of HTTP/1.0 (RFC 9110 §10.1.1).
 */
export function attemptLines(
  step: Pick<AttemptStep, 'fields' | 'method' | 'upgrade'>,
  head: RequestHead,
): string[] {
  const lines = stepLines(step.fields, head.version === '1.0' ? 'expect' : undefined);
  if (step.upgrade !== undefined) lines.push('Connection', 'Upgrade', 'Upgrade', step.upgrade);
  else lines.push('Connection', 'keep-alive');
  pushRequestFraming(lines, head.body, step.method);
  return lines;
}

function pushRequestFraming(lines: string[], body: BodyFraming, method: string): void {
  switch (body.kind) {
    case 'length':
      lines.push('Content-Length', String(body.bytes));
      return;
    case 'chunked':
      lines.push('Transfer-Encoding', 'chunked');
      return;
    case 'none':
      // Without this, node:http would announce chunks for POST, PUT and the like (RFC 9110 §8.6: 0 says the same as nothing).
      if (!bodilessMethods.has(method)) lines.push('Content-Length', '0');
  }
}

/**
 * The header lines of a relayed response. Framing stands last, as node:http re-encodes a Content-Disposition that follows
 * Content-Length. An HTTP/1.0 client gets no chunks: its body ends with the connection (RFC 9112 §6.1).
 */
export function relayLines(
  fields: FieldLines,
  framing: ResponseFraming,
  version: RequestHead['version'],
): string[] {
  const lines = stepLines(fields, undefined);
  const sent = sentFraming(framing, version);
  if (sent.kind === 'length') lines.push('Content-Length', String(sent.bytes));
  else if (sent.kind === 'chunked') lines.push('Transfer-Encoding', 'chunked');
  return lines;
}

/** The lines of a step without those that the engine writes itself, whatever the step says of them, and without one more role. */
export function stepLines(fields: FieldLines, without: FieldRole | undefined): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const role = fieldRole(name);
    if (role !== without && !staysOnConnection(role)) lines.push(name, fields[i + 1] ?? '');
  }
  return lines;
}

/** A head as text: start line, lines, empty line. Written as latin1. */
export function headText(startLine: string, lines: FieldLines): string {
  let text = `${startLine}\r\n`;
  for (let i = 0; i + 1 < lines.length; i += 2) text += `${lines[i] ?? ''}: ${lines[i + 1] ?? ''}\r\n`;
  return `${text}\r\n`;
}
