import type { ErrorCode } from '../../exchange/errors.ts';
import type { AttemptFailure, AttemptStep } from '../../exchange/seam.ts';
import type { ExchangeRun } from './exchange-run.ts';
import { requestText } from './message-text.ts';
import { halfClosedMs, type Stage } from './stage.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** Interim responses that an instance may send before its final one. */
const maxInterims = 32;
/** The kernel takes a first write up to this size whole or not at all. */
const wholeWriteBytes = 16_384;
/**
 * RFC 9110 §15.2: every client must take any number of 1xx. One that is gone answers the first with a reset, which only the
 * second can find.
 */
const probe = 'HTTP/1.1 102 Processing\r\n\r\n';
const maxProbes = 2;

/** One try of an exchange on an endpoint: from finding a connection to the final head of the response. */
export class Attempt implements Stage {
  readonly responseBytes = 0;
  readonly requestBytes = undefined;
  readonly step: AttemptStep;
  upstream: UpstreamConnection | undefined;
  readonly #run: ExchangeRun;
  #connection: 'fresh' | 'reused' = 'fresh';
  #phase: 'connecting' | 'waiting' = 'connecting';
  #interims = 0;
  #probes = 0;

  constructor(run: ExchangeRun, step: AttemptStep) {
    this.#run = run;
    this.step = step;
  }

  /** Takes an idle connection or opens one. */
  start(): void {
    const { step } = this;
    const { pools } = this.#run.context;
    if (step.connection === 'fresh') pools.dropIdle(step.endpoint);
    const idle = step.connection === 'any' ? pools.take(step.endpoint, this) : undefined;
    if (idle !== undefined) {
      this.#connection = 'reused';
      this.upstream = idle;
      this.upstreamConnected();
      return;
    }
    this.upstream = pools.open(step.endpoint, this);
    if (this.upstream === undefined) this.#fail('connect_failed');
    else this.upstream.arm(step.timeouts.connectMs);
  }

  upstreamConnected(): void {
    const { upstream } = this;
    const { request, smallBody, upload } = this.#run;
    if (upstream === undefined) return;
    this.#phase = 'waiting';
    const text = requestText(this.step, request) + smallBody;
    upstream.writes += text.length > wholeWriteBytes ? 2 : 1;
    upstream.socket.write(text, 'latin1');
    const { responseHeadMs, idleMs } = this.step.timeouts;
    // A client that waits for a 100 sends nothing before the instance speaks.
    if (upload === undefined || this.#run.expectation === 'continue') upstream.arm(responseHeadMs);
    else upstream.disarm();
    upload?.start(upstream, idleMs);
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    const heads = this.upstream?.heads;
    if (heads === undefined) return;
    heads.add(bytes, from, to);
    do {
      const head = heads.next(this.#run.request.method, this.#run.context.limits);
      if (head === 'incomplete') return;
      if (head === 'malformed') {
        this.#fail('upstream_protocol');
        return;
      }
      if (head.status >= 200 || head.status === 101) {
        this.#run.responded(this, head);
        return;
      }
      this.#interims += 1;
      if (this.#interims > maxInterims) {
        this.#fail('upstream_protocol');
        return;
      }
      this.#run.interim(head);
      // Told to go on: from here it is the client that is waited for.
      if (head.status === 100 && this.#run.uploading) this.upstream?.disarm();
    } while (heads.at < heads.end);
  }

  upstreamEnded(): void {
    this.#fail(this.upstream?.heads.partial === 'yes' ? 'response_incomplete' : 'upstream_reset');
  }

  upstreamLost(code: ErrorCode, sent: 'nothing' | 'something'): void {
    this.#fail(code, sent);
  }

  upstreamDrained(): void {
    if (!this.#run.uploading) return;
    this.upstream?.disarm();
    this.#run.upload?.drained();
  }

  upstreamTimedOut(): void {
    this.#fail(this.#phase === 'connecting' ? 'connect_timeout' : 'upstream_timeout');
  }

  faulted(fault: unknown): void {
    this.#run.faulted(fault);
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    const { upload, client, context } = this.#run;
    if (upload === undefined || this.#phase === 'connecting') return from;
    const end = upload.carry(bytes, from, to);
    if (upload.fault !== undefined) this.#fail(upload.fault);
    else if (upload.state === 'done' && end > from) {
      this.upstream?.arm(this.step.timeouts.responseHeadMs);
      if (client.input === 'ended') context.wheel.arm(client.timeout, halfClosedMs);
    }
    return end;
  }

  clientDrained(): void {
    // Only interim responses have been written; nothing waits for them to leave.
  }

  /** Before the end of its request the client has left; after it, it may still wait for the answer (R40). */
  clientEnded(): void {
    const { uploading, client, context } = this.#run;
    if (uploading) client.destroy('plain');
    else context.wheel.arm(client.timeout, halfClosedMs);
  }

  clientTimedOut(): void {
    const { uploading, client, context, request } = this.#run;
    if (uploading) this.#fail('request_timeout');
    else if (client.input === 'ended' && request.version === '1.1' && this.#probes < maxProbes) {
      this.#probes += 1;
      client.socket.write(probe, 'latin1');
      context.wheel.arm(client.timeout, 0);
    }
  }

  /** The final head can't be passed on. */
  refuse(code: ErrorCode): void {
    this.#fail(code);
  }

  abandon(): AttemptFailure {
    const failure = this.#failure('client_closed', 'something');
    this.upstream?.reset();
    this.upstream = undefined;
    return failure;
  }

  /** A request that the instance has not got whole must not be taken for finished: its connection is reset. */
  #fail(code: ErrorCode, sent: 'nothing' | 'something' = 'something'): void {
    const failure = this.#failure(code, sent);
    this.upstream?.reset();
    this.upstream = undefined;
    this.#run.failed(failure);
  }

  #failure(code: ErrorCode, sent: 'nothing' | 'something'): AttemptFailure {
    const unsent = sent === 'nothing' || this.#phase === 'connecting';
    const how = this.#run.upload?.taken === 'some' ? 'body' : unsent ? 'nothing' : 'head';
    return { code, sent: how, connection: this.#connection };
  }
}
