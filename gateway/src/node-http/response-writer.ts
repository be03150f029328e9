import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { ResponseFraming } from '../http/framing.ts';
import type { AnswerStep, FieldLines, RelayStep, RequestHead } from '../exchange/seam.ts';
import { headText, relayLines, stepLines } from './field-lines.ts';

/** Whether a client connection serves another request after this response. */
export type Persistence = 'keep' | 'close';

/** What the form of a response depends on. */
export type ClientForm = Pick<RequestHead, 'method' | 'version'>;

/** Whether this status has no body whatever is said of it (RFC 9110 §15.3.5, §15.4.5). */
function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/** Sends a whole answer with its length; for HEAD only the length. Returns the bytes of body sent. */
export function writeAnswer(
  response: ServerResponse,
  step: AnswerStep,
  form: ClientForm,
  persistence: Persistence,
): number {
  const lines = stepLines(step.fields, undefined);
  const body = Buffer.from(step.body);
  if (!isBodiless(step.status)) lines.push('Content-Length', String(body.length));
  setPersistence(response, form, persistence);
  response.writeHead(step.status, lines);
  const sent = form.method === 'HEAD' || isBodiless(step.status) ? 0 : body.length;
  if (sent > 0) response.end(body);
  else response.end();
  return sent;
}

/** Writes the head of a relayed response; the body follows by `response.write` and `response.end`. */
export function writeRelayHead(
  response: ServerResponse,
  step: RelayStep,
  framing: ResponseFraming,
  { form, persistence }: { readonly form: ClientForm; readonly persistence: Persistence },
): void {
  setPersistence(response, form, persistence);
  response.writeHead(step.status, step.reason, relayLines(step.fields, framing, form.version));
}

function setPersistence(response: ServerResponse, form: ClientForm, persistence: Persistence): void {
  if (persistence === 'close') response.shouldKeepAlive = false;
  if (form.version === '1.1') return;
  // R42: not offered to HTTP/1.0, and no chunks even when it says `TE: chunked`.
  response.shouldKeepAlive = false;
  response.useChunkedEncodingByDefault = false;
}

/** Writes a 1xx head. The response that it precedes must not have begun. */
export function writeInterim(
  response: ServerResponse,
  socket: Socket,
  interim: { readonly status: number; readonly reason: string; readonly fields: FieldLines },
): void {
  // Through node:http, which otherwise believes the client still waits and closes the connection.
  if (interim.status === 100) {
    response.writeContinue();
  } else {
    socket.write(
      headText(`HTTP/1.1 ${interim.status} ${interim.reason}`, stepLines(interim.fields, undefined)),
      'latin1',
    );
  }
}

/** Writes the 101 of an agreed upgrade; the connection belongs to the new protocol after it. */
export function writeSwitch(socket: Socket, step: RelayStep, protocol: string): void {
  const lines = stepLines(step.fields, undefined);
  lines.push('Connection', 'Upgrade', 'Upgrade', protocol);
  socket.write(headText(`HTTP/1.1 101 ${step.reason}`, lines), 'latin1');
}

/** Writes an answer to a message that never became a request. The connection is closed after it. */
export function writeRefusal(socket: Socket, step: AnswerStep): void {
  const body = Buffer.from(step.body);
  const lines = stepLines(step.fields, 'date');
  lines.push('Date', new Date().toUTCString(), 'Connection', 'close', 'Content-Length', String(body.length));
  socket.write(headText(`HTTP/1.1 ${step.status} ${STATUS_CODES[step.status] ?? ''}`, lines), 'latin1');
  socket.write(body);
}
