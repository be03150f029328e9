import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../../exchange/errors.ts';
import { responseFraming, type ResponseFraming } from '../../exchange/framing.ts';
import type { AttemptFailure, AttemptStep, RequestHead, ResponseHead } from '../../exchange/seam.ts';
import type { EndpointPools } from './endpoint-pools.ts';
import { connectFailure, responseFailure } from './failure.ts';
import { attemptLines, isWritable } from './field-lines.ts';
import type { Forwarder } from './forwarder.ts';
import { startPump, type Pump } from './pump.ts';
import { upgradeProtocols } from './request-head.ts';

/** Response heads are taken up to this size; node:http reports more as a protocol error. */
const responseHeadBytes = 32 * 1024;
const responseHeadLines = 500;

/** 1xx heads before the final one; more is a flood. */
const interimHeads = 64;

/** The client's side of an attempt. */
export interface AttemptSource {
  readonly head: RequestHead;
  /** The body is taken from here, and only once a connection to the instance stands. */
  readonly request: IncomingMessage;
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
}

/** Exactly one of `responded`, `switched`, `failed` is called, once, unless the attempt is cancelled before. */
export interface AttemptListener {
  interim(head: ResponseHead): void;
  /** This many bytes of the request body are about to be sent. Still called after `responded`. May cancel the attempt. */
  requestBytes(bytes: number): void;
  responded(response: UpstreamResponse): void;
  switched(connection: SwitchedConnection): void;
  failed(failure: AttemptFailure): void;
}

/** One try of an exchange on an endpoint. */
export interface Attempt {
  /** How far the request has got by now. */
  sent(): AttemptFailure['sent'];
  connection(): AttemptFailure['connection'];
  /** Whether the whole request has been handed to the connection. */
  upload(): 'running' | 'done';
  /** Ends it without a word and destroys its connection, unless the exchange on it is complete. Repeated calls do nothing. */
  cancel(): void;
}

/** What attempts share. */
export interface AttemptContext {
  readonly forwarder: Forwarder;
  readonly pools: EndpointPools;
}

/**
 * Sends the request of `step` to its endpoint and reports what comes of it. Three waits are bounded: for a connection, for
 * progress of the upload, and from the whole request sent to the end of the response head. The body is not touched before a
 * connection stands, so that a failure to connect can be retried whatever the method. Throws when node:http refuses the step.
 */
export function startAttempt(
  { forwarder, pools }: AttemptContext,
  source: AttemptSource,
  step: AttemptStep,
  listener: AttemptListener,
): Attempt {
  const { head } = source;
  const { instance } = step.endpoint;
  const { connectMs, responseHeadMs, idleMs } = step.timeouts;
  const request = forwarder.forward(
    {
      agent: pools.agentFor(step.endpoint, step.connection),
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
  let taken = 0;
  let interims = 0;
  let timer = setTimeout(() => {
    fail('connect_timeout');
  }, connectMs);

  const wait = (ms: number, expired: () => ErrorCode): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      fail(expired());
    }, ms);
  };
  const sent = (): AttemptFailure['sent'] => {
    if (taken > 0) return 'body';
    return phase === 'connecting' ? 'nothing' : 'head';
  };
  const connection = (): AttemptFailure['connection'] => (request.reusedSocket ? 'reused' : 'fresh');
  const pending = (): boolean => phase !== 'answered' && phase !== 'over';
  const end = (): void => {
    clearTimeout(timer);
    pump?.stop();
    phase = 'over';
    request.destroy();
  };
  const fail = (code: ErrorCode): void => {
    if (!pending()) return;
    const failure: AttemptFailure = { code, sent: sent(), connection: connection() };
    end();
    listener.failed(failure);
  };
  const awaitHead = (): void => {
    phase = 'awaiting';
    wait(responseHeadMs, () => 'upstream_timeout');
  };
  const upload = (): void => {
    // Whoever is waited for has let the time pass: the instance when it takes nothing more, else the client.
    wait(idleMs, () => (request.writableNeedDrain ? 'upstream_timeout' : 'request_timeout'));
    // Without waiting for the first chunk, which may wait for the answer to the head. With one at hand both go in one write.
    if (source.request.readableLength === 0) request.flushHeaders();
    pump = startPump(source.request, request, {
      chunk(bytes) {
        taken += bytes;
        timer.refresh();
        listener.requestBytes(bytes);
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
    else if (socket.destroyed) fail('upstream_reset');
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
    if (interims > interimHeads || !isSound(interim)) fail('upstream_protocol');
    else listener.interim(interim);
  });
  request.on('response', (message) => {
    const response = pending() ? readResponse(message, step.method) : undefined;
    if (response === undefined) {
      message.destroy();
      fail('upstream_protocol');
      return;
    }
    clearTimeout(timer);
    phase = 'answered';
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
    const agreed = step.upgrade !== undefined && upgradeProtocols(switched.fields) === step.upgrade;
    if (!pending() || !agreed || !isSound(switched)) {
      socket.destroy();
      fail('upgrade_failed');
      return;
    }
    clearTimeout(timer);
    phase = 'answered';
    listener.switched({ head: switched, socket, first });
  });
  if (head.body.kind === 'none') request.end();

  return {
    sent,
    connection,
    upload: () => (request.writableEnded ? 'done' : 'running'),
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
  const head: ResponseHead = { status, reason, fields };
  if (!isSound(head)) return undefined;
  const framing = responseFraming(fields, { method, status, version });
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
