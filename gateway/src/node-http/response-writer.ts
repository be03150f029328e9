import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { AnswerStep, RelayStep, ResponseHead } from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  CutBy,
  Flow,
  InstanceResponse,
  ResponseWriter,
} from '../proxy/ports.ts';
import { headText, relayLines, stepLines } from './field-lines.ts';

/** Whether this status has no body whatever is said of it (RFC 9110 §15.3.5, §15.4.5). */
function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/** Writes the response to one message through node:http. */
export class NodeResponseWriter implements ResponseWriter {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #request: AcceptedRequest;
  #cutBy: CutBy = 'plain';
  #trailers: RelayStep['trailers'];

  constructor(response: ServerResponse, socket: Socket, request: AcceptedRequest) {
    this.#response = response;
    this.#socket = socket;
    this.#request = request;
  }

  get persistence(): Persistence {
    return this.#response.shouldKeepAlive ? 'keep' : 'close';
  }

  get cutBy(): CutBy {
    return this.#cutBy;
  }

  interim({ status, reason, fields }: ResponseHead): void {
    // Through node:http, which otherwise believes that the client still waits, and closes the connection.
    if (status === 100) this.#response.writeContinue();
    else this.#socket.write(headText(`HTTP/1.1 ${status} ${reason}`, stepLines(fields, undefined)), 'latin1');
  }

  answer(step: AnswerStep, persistence: Persistence): number {
    const lines = stepLines(step.fields, undefined);
    const body = Buffer.from(step.body);
    if (!isBodiless(step.status)) lines.push('Content-Length', String(body.length));
    this.#setPersistence(persistence);
    this.#response.writeHead(step.status, lines);
    const sent = this.#request.method === 'HEAD' || isBodiless(step.status) ? 0 : body.length;
    if (sent > 0) this.#response.end(body);
    else this.#response.end();
    return sent;
  }

  begin(step: RelayStep, { body }: InstanceResponse, persistence: Persistence): 'content' {
    this.#setPersistence(persistence);
    const ends = body.kind === 'length' || body.kind === 'none' || this.#request.version === '1.1';
    this.#trailers = step.trailers;
    this.#cutBy = ends ? 'plain' : 'reset';
    this.#response.writeHead(step.status, step.reason, relayLines(step.fields, body, this.#request.version));
    return 'content';
  }

  send(piece: BodyPiece): Flow {
    const { bytes, spans, state } = piece;
    // Trailers are discarded, but a step that asks for them hears that there are none.
    if (state === 'done') this.#trailers?.([]);
    // Not `writableNeedDrain`, which stays true for a response that the parser has left.
    const takesMore = spans.length === 0 || this.#response.write(bytes);
    if (state === 'done') this.#response.end();
    else if (spans.length === 0) this.#response.flushHeaders();
    return takesMore ? 'flowing' : 'full';
  }

  flushHead(): void {
    this.#response.flushHeaders();
  }

  switchProtocols(step: RelayStep, protocol: string): void {
    const lines = stepLines(step.fields, undefined);
    lines.push('Connection', 'Upgrade', 'Upgrade', protocol);
    this.#socket.write(headText(`HTTP/1.1 101 ${step.reason}`, lines), 'latin1');
  }

  sendRaw(bytes: Buffer): Flow {
    return this.#socket.write(bytes) ? 'flowing' : 'full';
  }

  endRaw(): void {
    this.#socket.end();
  }

  #setPersistence(persistence: Persistence): void {
    if (persistence === 'close') this.#response.shouldKeepAlive = false;
    if (this.#request.version === '1.1') return;
    // R42: not offered to HTTP/1.0, and no chunks even when it says `TE: chunked`.
    this.#response.shouldKeepAlive = false;
    this.#response.useChunkedEncodingByDefault = false;
  }
}

/** Writes an answer to a message that never became a request. The connection is closed after it. */
export function writeRefusal(socket: Socket, step: AnswerStep, date: string): void {
  const body = Buffer.from(step.body);
  const lines = stepLines(step.fields, 'date');
  lines.push('Date', date, 'Connection', 'close', 'Content-Length', String(body.length));
  socket.write(headText(`HTTP/1.1 ${step.status} ${STATUS_CODES[step.status] ?? ''}`, lines), 'latin1');
  socket.write(body);
}
