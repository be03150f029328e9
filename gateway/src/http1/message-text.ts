import { STATUS_CODES } from 'node:http';

import type { AnswerStep, AttemptStep } from '../exchange/seam.ts';
import type { FieldLines } from '../http/field-lines.ts';
import { allowedTrailers } from '../http/field-roles.ts';
import type { SentFraming } from '../http/framing.ts';
import type { AcceptedRequest } from '../proxy/ports.ts';

/** Ends every chunked body. */
export const lastChunk = '0\r\n\r\n';

/** Header lines, each with its CRLF. */
export function fieldText(fields: FieldLines): string {
  let text = '';
  // Concatenation, not a template: V8 need not ask each part whether it is a string.
  for (let i = 0; i + 1 < fields.length; i += 2)
    text += (fields[i] ?? '') + ': ' + (fields[i + 1] ?? '') + '\r\n';
  return text;
}

/**
 * The head of a request to an instance: the exchange's fields, then exactly one form of framing (R13) and what concerns the
 * connection. Trailers are asked for when the client wants them.
 */
export function requestText(step: AttemptStep, { body, wantsTrailers }: AcceptedRequest): string {
  let text = `${step.method} ${step.target} HTTP/1.1\r\n${fieldText(step.fields)}`;
  if (body.kind === 'length') text += `Content-Length: ${String(body.bytes)}\r\n`;
  else if (body.kind === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  if (step.upgrade !== undefined) text += `Connection: Upgrade\r\nUpgrade: ${step.upgrade}\r\n`;
  else if (wantsTrailers) text += 'Connection: TE\r\nTE: trailers\r\n';
  return `${text}\r\n`;
}

/** The status line and header lines of a response to the client, the empty line included. */
export function responseText(
  start: { readonly status: number; readonly reason: string; readonly fields: FieldLines },
  framing: SentFraming,
  connection: 'keep' | 'close' | { readonly upgrade: string },
): string {
  let text = `HTTP/1.1 ${String(start.status)} ${start.reason}\r\n${fieldText(start.fields)}`;
  if (framing.kind === 'length') text += `Content-Length: ${String(framing.bytes)}\r\n`;
  else if (framing.kind === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  if (connection === 'close') text += 'Connection: close\r\n';
  else if (connection !== 'keep') text += `Connection: Upgrade\r\nUpgrade: ${connection.upgrade}\r\n`;
  return `${text}\r\n`;
}

/** A whole answer of the gateway's own, latin1: its body is already encoded as UTF-8. */
export function answerText(
  step: AnswerStep,
  method: string,
  { date, connection }: { readonly date: string; readonly connection: 'keep' | 'close' },
): string {
  const plain = Buffer.byteLength(step.body) === step.body.length;
  const body = plain ? step.body : Buffer.from(step.body).toString('latin1');
  const bodiless = step.status === 204 || step.status === 304;
  const reason = STATUS_CODES[step.status] ?? '';
  const fields = ['Date', date, ...step.fields];
  const framing: SentFraming = bodiless ? { kind: 'none' } : { kind: 'length', bytes: body.length };
  const head = responseText({ status: step.status, reason, fields }, framing, connection);
  return bodiless || method === 'HEAD' ? head : head + body;
}

/** The end of a chunked body with those of its trailers that may be passed on. */
export function chunkedEnd(trailers: FieldLines): string {
  const kept = allowedTrailers(trailers);
  return kept.length === 0 ? lastChunk : `0\r\n${fieldText(kept)}\r\n`;
}
