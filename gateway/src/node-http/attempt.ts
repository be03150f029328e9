import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import { agreesToUpgrade } from '../http/connection.ts';
import { responseFraming, type ResponseFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import type { AttemptFailure, AttemptStep, RequestHead, ResponseHead } from '../exchange/seam.ts';
import type { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { Dial } from './dial.ts';
import type { EndpointPools } from './endpoint-pools.ts';
import { connectFailure, responseFailure } from './failure.ts';
import { attemptLines, isWritable } from './field-lines.ts';
import type { Forwarder } from './forwarder.ts';
import type { Pump } from './pump.ts';
import type { RequestBody } from './request-body.ts';
import { WheelTimer } from './wheel-timer.ts';

/** Response heads are taken up to this size; node:http reports more as a protocol error. */
const responseHeadBytes = 32 * 1024;
const responseHeadLines = 500;

/** 1xx heads before the final one; more is a flood. */
const interimHeads = 64;

/** The client's side of an attempt. */
export interface AttemptSource {
  readonly head: RequestHead;
  /** Taken only once a connection to the instance stands. */
  readonly body: RequestBody;
  /** Whether the client sends its body only when it is told to go on. */
  awaitsContinue(): boolean;
  readonly response: ServerResponse;
  readonly socket: Socket;
}

/** A final response whose head has been judged sound. Its body waits in `message`. */
export interface UpstreamResponse {
  readonly head: ResponseHead;
  readonly framing: ResponseFraming;
  readonly message: IncomingMessage;
}

/** A connection that has switched protocols as agreed. */
export interface SwitchedConnection {
  readonly head: ResponseHead;
  readonly socket: Socket;
  /** Bytes of the new protocol that came with the head. */
  readonly first: Buffer;
  /** Whether the instance is to go: it drains, or is not registered any more. */
  readonly instance: () => 'staying' | 'leaving';
}

/** Exactly one of `responded`, `switched`, `failed` is called, once, unless the attempt is cancelled before. */
export interface AttemptListener {
  interim(head: ResponseHead): void;
  responded(response: UpstreamResponse): void;
  switched(connection: SwitchedConnection): void;
  failed(failure: AttemptFailure): void;
}

/** One try of an exchange on an endpoint. */
export interface Attempt {
  /** Whether the whole request has been handed to the connection. */
  upload(): 'running' | 'done';
  /** Cancels it for a reason that the attempt doesn't see. Returns what that makes of it. */
  abandon(code: ErrorCode): AttemptFailure;
  /** Ends it without a word and destroys its connection, unless the exchange on it is complete. Repeated calls do nothing. */
  cancel(): void;
}

/** What attempts share. */
export interface AttemptContext {
  readonly forwarder: Forwarder;
  readonly pools: EndpointPools;
  readonly wheel: TimeoutWheel;
}

/**
 * Sends the request of `step` to its endpoint and reports what comes of it. Three waits are bounded: for a connection, for
 * progress of the upload, and from the whole request sent to the end of the response head; and `tryMs` bounds them together. The
 * body is not touched before a connection stands, so that a failure to connect can be retried whatever the method. Throws when
 * node:http refuses the step.
 */
export function startAttempt(
  { forwarder, pools, wheel }: AttemptContext,
  source: AttemptSource,
  step: AttemptStep,
  listener: AttemptListener,
): Attempt {
  const { head, body } = source;
  const { instance } = step.endpoint;
  const { connectMs, responseHeadMs, idleMs, tryMs } = step.timeouts;
  const agent = pools.agentFor(step);
  const dial = new Dial();
  const request = forwarder.forward(
    {
      agent,
      dial,
      host: instance.address,
      port: instance.port,
      method: step.method,
      path: step.target,
      headers: attemptLines(step, head),
      maxHeaderSize: responseHeadBytes,
    },
    source.socket,
    source.response,
  );
  // Or lines after the thousandth would be hidden from us and still obeyed by the parser.
  request.maxHeadersCount = 0;

  let phase: 'connecting' | 'sending' | 'awaiting' | 'answered' | 'over' = 'connecting';
  let pump: Pump | undefined;
  let interims = 0;
  let expired = (): ErrorCode => 'connect_timeout';
  const timer = new WheelTimer(wheel, () => {
    fail(expired());
  });
  const tryTimer = new WheelTimer(wheel, () => {
    fail('try_timeout');
  });
  timer.set(connectMs);
  if (tryMs > 0) tryTimer.set(tryMs);

  const wait = (ms: number, code: () => ErrorCode): void => {
    expired = code;
    timer.set(ms);
  };
  const answered = (): void => {
    phase = 'answered';
    timer.end();
    tryTimer.end();
  };
  const sent = (): AttemptFailure['sent'] => {
    if (body.replay() === 'impossible') return 'body';
    return phase === 'connecting' ? 'nothing' : 'head';
  };
  const pending = (): boolean => phase !== 'answered' && phase !== 'over';
  const end = (): void => {
    timer.end();
    tryTimer.end();
    pump?.stop();
    phase = 'over';
    dial.abandon();
    request.destroy();
  };
  const abandon = (code: ErrorCode): AttemptFailure => {
    const failure: AttemptFailure = {
      code,
      sent: sent(),
      connection: request.reusedSocket ? 'reused' : 'fresh',
    };
    end();
    return failure;
  };
  const fail = (code: ErrorCode): void => {
    if (!pending()) return;
    listener.failed(abandon(code));
  };
  const awaitHead = (): void => {
    phase = 'awaiting';
    wait(responseHeadMs, () => 'upstream_timeout');
  };
  const awaitUpload = (): void => {
    // Whoever is waited for has let the time pass: the instance when it takes nothing more, else the client.
    wait(idleMs, () => (request.writableNeedDrain ? 'upstream_timeout' : 'request_timeout'));
  };
  const upload = (): void => {
    // A client that waits for a 100 sends nothing before the instance speaks.
    if (source.awaitsContinue()) wait(responseHeadMs, () => 'upstream_timeout');
    else awaitUpload();
    // Without waiting for the first chunk, which may wait for the answer to the head. With one at hand both go in one write.
    if (body.supply() === 'none') request.flushHeaders();
    pump = body.send(request, {
      progress() {
        // After the answer it is the relay that keeps the time.
        if (phase === 'sending') awaitUpload();
      },
      end: () => request.end(),
    });
  };
  const connected = (): void => {
    if (phase !== 'connecting') return;
    phase = 'sending';
    if (head.body.kind === 'none') awaitHead();
    else upload();
  };

  request.on('error', (error) => {
    fail(phase === 'connecting' ? connectFailure(error) : responseFailure(error));
  });
  request.on('close', () => {
    fail(phase === 'connecting' ? 'connect_failed' : 'upstream_reset');
  });
  request.on('socket', (socket) => {
    if (socket.connecting) socket.once('connect', connected);
    else if (socket.destroyed) fail(request.reusedSocket ? 'upstream_reset' : 'connect_failed');
    else connected();
  });
  request.on('finish', () => {
    if (phase === 'sending') awaitHead();
  });
  request.on('information', (information) => {
    if (!pending()) return;
    interims += 1;
    const { statusCode: status, statusMessage: reason, rawHeaders: fields } = information;
    const interim: ResponseHead = { status, reason, fields };
    if (interims > interimHeads || !isSound(interim)) {
      fail('upstream_protocol');
    } else {
      listener.interim(interim);
      if (status === 100 && phase === 'sending') awaitUpload();
    }
  });
  request.on('response', (message) => {
    const response = pending() ? readResponse(message, step.method) : undefined;
    if (response === undefined) {
      message.destroy();
      fail('upstream_protocol');
      return;
    }
    answered();
    pools.carries(message.socket, message);
    if (!isReusable(message)) request.shouldKeepAlive = false;
    listener.responded(response);
  });
  // Always attached: without a listener node:http drops a 101 and says nothing.
  request.on('upgrade', (message, socket, first) => {
    pools.handOver(socket);
    const switched: ResponseHead = {
      status: 101,
      reason: message.statusMessage ?? '',
      fields: message.rawHeaders,
    };
    // RFC 9110 §7.8: only to the protocol that was asked for.
    const agreed = agreesToUpgrade(readHeaders(switched.fields), step.upgrade);
    if (!pending() || !agreed || !isSound(switched)) {
      socket.destroy();
      fail('upgrade_failed');
      return;
    }
    answered();
    const instance = (): 'staying' | 'leaving' =>
      step.endpoint.phase === 'draining' || agent.state === 'retired' ? 'leaving' : 'staying';
    listener.switched({ head: switched, socket, first, instance });
  });
  if (head.body.kind === 'none') request.end();

  return {
    upload: () => (request.writableEnded ? 'done' : 'running'),
    abandon,
    cancel: end,
  };
}

/** The response, when its head is one that can be passed on (R15, R44); else undefined. */
function readResponse(message: IncomingMessage, method: string): UpstreamResponse | undefined {
  const {
    statusCode: status = 0,
    statusMessage: reason = '',
    rawHeaders: fields,
    httpVersion: version,
  } = message;
  if (status < 200 || status > 599 || (version !== '1.1' && version !== '1.0')) return undefined;
  const headers = readHeaders(fields);
  const head: ResponseHead = { status, reason, fields, headers };
  if (!isSound(head)) return undefined;
  const framing = responseFraming(headers, { method, status, version });
  return framing === 'upstream_protocol' ? undefined : { head, framing, message };
}

/**
 * Whether the connection may serve another exchange as far as this response goes: never after HTTP/1.0, whatever it offers (R36),
 * nor after a 204 that announces a body, whose bytes would meet the next exchange (R32).
 */
function isReusable({ httpVersion, statusCode, headers }: IncomingMessage): boolean {
  if (httpVersion === '1.0') return false;
  if (statusCode !== 204) return true;
  return (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
}

/** Whether node:http will write it again without throwing. */
function isSound({ reason, fields }: ResponseHead): boolean {
  return fields.length / 2 <= responseHeadLines && isWritable(reason) && fields.every(isWritable);
}
