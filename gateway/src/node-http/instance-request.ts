import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptStep } from '../exchange/seam.ts';
import { keepAliveSeconds, responsePersistence } from '../http/connection.ts';
import { responseFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { isFinalStatus } from '../http/interim.ts';
import type { ResponseHead } from '../http/message.ts';
import { isFieldText } from '../http1/grammar.ts';
import {
  createInstances,
  Http1InstancePort,
  type LentConnection,
  type ReceivedResponse,
} from '../http1/instance-port.ts';
import { ContentPiece } from '../proxy/content-piece.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  Flow,
  InstanceConnector,
  InstanceResponse,
} from '../proxy/ports.ts';
import {
  ambiguousFraming,
  badStatusLine,
  responseHeadLimits,
  tooManyLines,
  type HeadFault,
} from '../http1/response-head.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { responseFault } from './failure.ts';
import { createForwarder, type Forward } from './forwarder.ts';

const noBytes = Buffer.alloc(0);

/** Speaks to instances through the `http-proxy` package and node:http's client, over the connections of `pools`. */
export function createNodeInstances(pools: UpstreamPools): InstanceConnector {
  const forward = createForwarder();
  return createInstances(pools, (lent) => new NodeInstance(lent, forward));
}

/**
 * What node:http takes for its socket: a lent connection, for the time of one exchange. What node:http does to it, or leaves on it,
 * can't reach the next exchange.
 */
class LentStream extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    // node:http writes heads without naming an encoding: bytes 0x80–0xff would come out as UTF-8 (RFC 9110 §5.5).
    this.setDefaultEncoding('latin1');
    // Its user hears of errors on the connection itself.
    this.on('error', () => undefined);
  }

  override _read(): void {
    // Bytes are pushed as they come; the run pauses the connection.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done);
  }

  override _writev(pieces: { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), done);
  }
}

/** One request through `http-proxy`. */
class NodeInstance extends Http1InstancePort {
  partialHead = false;
  readonly #forward: Forward;
  readonly #stream: LentStream;
  #request: ClientRequest | undefined;
  #message: IncomingMessage | undefined;
  #reads: 'message' | 'raw' = 'message';
  /** Bytes of a new protocol that came with the 101. */
  #first = noBytes;
  /** Whether the whole response has been passed on: node:http listens to its stream no more. */
  #answered = false;
  /** What has come and node:http has said nothing about: what its parser keeps of a head or of a trailer section is no more. */
  #unparsedBytes = 0;
  #ofLastRead = 0;
  #over = false;

  constructor(lent: LentConnection, forward: Forward) {
    super(lent);
    this.#forward = forward;
    this.#stream = new LentStream(this.upstream.socket);
  }

  override get flow(): Flow {
    const writer = this.#answered ? this.#stream : this.#request;
    return writer?.writableNeedDrain === true ? 'full' : 'flowing';
  }

  /** Throws when node:http refuses the step. */
  request(body: string, _form: 'content', complete: boolean): void {
    const { instance } = this.step.endpoint;
    this.noteLogin(this.accepted.headers);
    const request = this.#forward({
      stream: this.#stream,
      host: instance.address,
      port: instance.port,
      method: this.step.method,
      path: this.step.target,
      headers: requestLines(this.step, this.accepted),
      maxHeaderSize: responseHeadLimits.headBytes,
    });
    // Otherwise lines after the thousandth would be hidden and still obeyed by the parser.
    request.maxHeadersCount = 0;
    this.#request = request;
    this.#listen(request);
    if (complete) request.end(body, 'latin1');
    else if (body === '') request.flushHeaders();
    else request.write(body, 'latin1');
    this.writes += 1;
  }

  send({ bytes, spans, state }: BodyPiece): Flow {
    if (spans.length > 0) this.#request?.write(bytes);
    if (state === 'done') this.#request?.end();
    this.writes += 1;
    return this.flow;
  }

  receive(): void {
    const { response } = this;
    const message = this.#message;
    if (message === undefined || response === undefined) return;
    const { kind } = response.body;
    const body = new ContentPiece(response.body.kind === 'length' ? response.body.bytes : undefined);
    message.on(
      'data',
      this.#guard((bytes: Buffer) => {
        this.#said(bytes.length);
        this.handler.instanceBody(body.take(bytes));
        body.forget();
      }),
    );
    // Also for a body of no bytes: only then is known what has come behind it (R32).
    message.on(
      'end',
      this.#guard(() => {
        if (!message.complete) return;
        this.#answered = true;
        this.handler.instanceBody(body.finish(undefined, message.rawTrailers));
      }),
    );
    message.on(
      'close',
      this.#guard(() => {
        if (!message.complete) this.handler.instanceEnded();
      }),
    );
    if (kind === 'none') return;
    // The first bytes usually go out with the head in one write; a head without bytes (SSE) must not wait for them.
    process.nextTick(
      this.#guard(() => {
        if (body.contentBytes === 0 && body.state === 'more') this.handler.instanceBody(body);
      }),
    );
  }

  receiveRaw(): void {
    this.#reads = 'raw';
    if (this.#first.length > 0) this.handler.instanceRaw(this.#first, 0, this.#first.length);
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    if (this.#reads === 'raw') {
      this.handler.instanceRaw(bytes, from, to);
    } else if (this.#message?.complete === true) {
      this.surplus = true;
    } else {
      this.partialHead = this.#message === undefined;
      this.#ofLastRead = to - from;
      this.#unparsedBytes += to - from;
      this.#stream.push(Buffer.from(bytes.subarray(from, to)));
      if (!this.#over && !this.upstream.buffer.keep(this.#unparsedBytes)) this.#lose('exhausted');
    }
  }

  upstreamEnded(): void {
    if (this.#reads === 'raw' || this.#message === undefined || this.#answered) this.endedEarly();
    else this.#stream.push(null);
  }

  override upstreamLost(code: ErrorCode, sent: 'nothing' | 'perhaps' | 'something'): void {
    // What has come whole goes on.
    if (this.#message?.complete !== true || this.#answered) super.upstreamLost(code, sent);
  }

  override release(reusable: boolean): void {
    const whole = this.#request?.writableFinished === true && !this.#stream.destroyed;
    this.#end();
    super.release(reusable && whole);
  }

  override flush(): boolean {
    const request = this.#request;
    if (request === undefined || request.writableFinished) return true;
    request.once(
      'finish',
      this.#guard(() => {
        this.handler.instanceDrained();
      }),
    );
    return false;
  }

  override finish(): void {
    this.#end();
    super.finish();
  }

  override destroy(): void {
    this.#end();
    super.destroy();
  }

  override reset(): void {
    this.#end();
    super.reset();
  }

  /** Nothing that node:http still says about it counts. */
  #end(): void {
    this.#over = true;
    this.#stream.destroy();
  }

  #listen(request: ClientRequest): void {
    request.on('error', (error) => {
      // Bytes that are no response, behind a whole one.
      if (this.#message?.complete === true) this.surplus = true;
      else this.#refuse(responseFault(error));
    });
    request.on('close', () => {
      if (this.#message === undefined && this.#reads === 'message') this.#lose('upstream_reset');
    });
    const drained = this.#guard(() => {
      this.handler.instanceDrained();
    });
    request.on('drain', drained);
    this.#stream.on('drain', drained);
    request.on('information', ({ statusCode: status, statusMessage: reason, rawHeaders: fields }) => {
      this.#head({ status, reason, fields, body: { kind: 'none', statedBytes: undefined } });
    });
    request.on('response', (message) => {
      // Told by `close`, with or without it.
      message.on('error', () => undefined);
      // Or node:http would end its stream with the response; the request may go on.
      request.shouldKeepAlive = true;
      this.#message = message;
      this.response = readResponse(message, this.step.method);
      this.noteLogin(this.response?.headers);
      if (this.response === undefined) this.#refuse(faultOfHead(message));
      else this.#head(this.response);
    });
    // Always attached: without a listener node:http drops a 101 and says nothing.
    request.on('upgrade', (message, _stream, first) => {
      this.#reads = 'raw';
      this.#first = first;
      const { statusMessage: reason = '', rawHeaders: fields } = message;
      this.#head({ status: 101, reason, fields, body: { kind: 'none', statedBytes: undefined } });
    });
  }

  #head(head: InstanceResponse): void {
    if (head.fields.length / 2 > responseHeadLimits.headLines) {
      this.#refuse(tooManyLines(responseHeadLimits));
    } else if (isSound(head)) {
      this.#guard(() => {
        this.partialHead = false;
        this.#said(head.fields.reduce((sum, { length }) => sum + length + 2, 0));
        this.handler.instanceHead(head);
      })();
    } else {
      this.#refuse({ fault: 'Its head holds a control character.' });
    }
  }

  /** Of what has come, so many bytes are said; all of earlier reads is. */
  #said(bytes: number): void {
    this.#ofLastRead = Math.max(0, this.#ofLastRead - bytes);
    this.#unparsedBytes = this.#ofLastRead;
  }

  /** The head is not one that can be passed on; undefined: the connection broke. */
  #refuse(fault: HeadFault | undefined): void {
    this.#lose(fault === undefined ? 'upstream_reset' : 'upstream_protocol', fault?.fault);
  }

  #lose(code: ErrorCode, detail?: string): void {
    this.#guard(() => {
      this.handler.instanceLost(code, 'something', detail);
    })();
  }

  /** Work that is left out once this port has ended, and whose mistakes end its exchange only. */
  #guard<A extends readonly unknown[]>(work: (...values: A) => void): (...values: A) => void {
    return (...values) => {
      if (this.#over) return;
      try {
        work(...values);
      } catch (fault) {
        this.faulted(fault);
      }
    };
  }
}

/** Methods for which node:http writes no framing by itself and a missing one means no body to every reader. */
const bodilessMethods = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** The header lines of an attempt: as `requestText` of the wire engine, in the form that node:http takes. */
function requestLines(
  { fields, method, upgrade }: AttemptStep,
  { body, wantsTrailers }: AcceptedRequest,
): string[] {
  const lines = [...fields];
  if (upgrade !== undefined) lines.push('Connection', 'Upgrade', 'Upgrade', upgrade);
  else if (wantsTrailers) lines.push('Connection', 'TE', 'TE', 'trailers');
  else lines.push('Connection', 'keep-alive');
  if (body.kind === 'length') lines.push('Content-Length', String(body.bytes));
  else if (body.kind === 'chunked') lines.push('Transfer-Encoding', 'chunked');
  // Without this, node:http would announce chunks for POST, PUT and the like (RFC 9110 §8.6: 0 says the same as nothing).
  else if (!bodilessMethods.has(method)) lines.push('Content-Length', '0');
  return lines;
}

/** The response, when its head is one that can be passed on (R15, R44); else undefined. */
function readResponse(message: IncomingMessage, method: string): ReceivedResponse | undefined {
  const {
    statusCode: status = 0,
    statusMessage: reason = '',
    rawHeaders: fields,
    httpVersion: version,
  } = message;
  if (!isFinalStatus(status) || (version !== '1.1' && version !== '1.0')) return undefined;
  const headers = readHeaders(fields);
  const body = responseFraming(headers, { method, status, version });
  if (body === 'upstream_protocol') return undefined;
  const persistence = responsePersistence(headers, { status, version, body });
  return { status, reason, fields, headers, body, persistence, keepAliveSeconds: keepAliveSeconds(headers) };
}

/** Why {@link readResponse} did not take it. */
function faultOfHead({ statusCode = 0, httpVersion }: IncomingMessage): HeadFault {
  const isStatusLine = isFinalStatus(statusCode) && (httpVersion === '1.1' || httpVersion === '1.0');
  return isStatusLine ? ambiguousFraming : badStatusLine;
}

/** Whether node:http will write it again without throwing. */
function isSound({ reason, fields }: ResponseHead): boolean {
  return isFieldText(reason) && fields.every(isFieldText);
}
