import { identityQuestion, readIdentityAnswer } from '@roundhouse/agent-sdk/internal';

import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptFailure, AttemptStep } from '../exchange/seam.ts';
import type { Alarm } from './alarm.ts';
import type { ExchangeRun } from './exchange-run.ts';
import { requestText } from '../http1/message-text.ts';
import { halfClosedMs, type Stage } from './stage.ts';
import type { UpstreamConnection, UpstreamUser } from '../upstreams/upstream-connection.ts';

/** Interim responses that an instance may send before its final one. */
const maxInterims = 32;
/** The kernel takes a first write up to this size whole or not at all. */
const wholeWriteBytes = 16_384;
/**
 * One try of an exchange on an endpoint: from finding a connection, on a new one asking who is there, to the final head of the
 * response.
 */
export class Attempt implements Stage, UpstreamUser {
  readonly responseBytes = 0;
  readonly requestBytes = undefined;
  readonly step: AttemptStep;
  upstream: UpstreamConnection | undefined;
  readonly #run: ExchangeRun;
  #connection: 'fresh' | 'reused' = 'fresh';
  /** `asking`: who is there. */
  #phase: 'connecting' | 'asking' | 'waiting' = 'connecting';
  /** What has come of the answer to that, latin1. */
  #identity = '';
  #interims = 0;
  #tryLimit: Alarm | undefined;
  #hedgeDelay: Alarm | undefined;

  constructor(run: ExchangeRun, step: AttemptStep) {
    this.#run = run;
    this.step = step;
  }

  /** Takes an idle connection or opens one. */
  start(): void {
    const { step } = this;
    const { context, client, uploading } = this.#run;
    const { pools } = context;
    this.#setLimits();
    // Until there is a connection, nobody waits for the client.
    if (uploading) context.wheel.disarm(client.timeout);
    if (step.connection === 'fresh') pools.dropIdle(step.endpoint);
    const idle = step.connection === 'any' ? pools.take(step.endpoint, step.identity, this) : undefined;
    if (idle !== undefined) {
      this.#connection = 'reused';
      this.upstream = idle;
      this.#send(idle);
      return;
    }
    this.upstream = pools.open(step.endpoint, this);
    if (this.upstream === undefined) this.#fail('connect_failed');
    else this.upstream.arm(step.timeouts.connectMs);
  }

  upstreamConnected(): void {
    const { upstream, step } = this;
    if (upstream === undefined) return;
    if (step.identity === undefined) {
      this.#send(upstream);
    } else {
      this.#phase = 'asking';
      upstream.socket.write(identityQuestion(step.endpoint.instance), 'latin1');
    }
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    if (this.#phase === 'asking') {
      this.#identify(bytes.toString('latin1', from, to));
      return;
    }
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
        this.#clearLimits();
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
    if (this.#phase === 'asking') this.#fail('wrong_instance');
    else this.#fail(this.upstream?.heads.partial === 'yes' ? 'response_incomplete' : 'upstream_reset');
  }

  upstreamLost(code: ErrorCode, sent: 'nothing' | 'something'): void {
    if (this.#phase === 'asking') this.#fail('wrong_instance');
    else this.#fail(code, sent);
  }

  upstreamDrained(): void {
    if (!this.#run.uploading) return;
    this.upstream?.disarm();
    this.#run.upload?.drained();
  }

  upstreamTimedOut(): void {
    this.#fail(this.#phase === 'waiting' ? 'upstream_timeout' : 'connect_timeout');
  }

  faulted(fault: unknown): void {
    this.#run.faulted(fault);
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    const { upload, client, context } = this.#run;
    if (upload === undefined || this.#phase !== 'waiting') return from;
    // It has not waited for the 100 any longer: from here it is the client that is waited for.
    if (this.#run.awaitsContinue) this.upstream?.disarm();
    const end = upload.carry(bytes, from, to);
    if (upload.fault !== undefined) {
      this.#fail(upload.fault);
    }
    // All that it has sent has been taken by now.
    else if (upload.state === 'more' && client.input === 'ended') {
      client.destroy('plain');
    } else if (upload.state === 'done' && end > from) {
      this.upstream?.arm(this.step.timeouts.responseHeadMs);
      if (client.input === 'ended') context.wheel.arm(client.timeout, halfClosedMs);
    }
    return end;
  }

  clientDrained(): void {
    // Only interim responses have been written; nothing waits for them to leave.
  }

  clientEnded(): void {
    this.#run.clientEnd.heard();
  }

  clientTimedOut(): void {
    const { uploading, client } = this.#run;
    if (uploading && client.input === 'open') this.#fail('request_timeout');
    else this.#run.clientEnd.ask();
  }

  expired(): void {
    this.#fail('deadline_exceeded');
  }

  /** The final head can't be passed on. */
  refuse(code: ErrorCode): void {
    this.#fail(code);
  }

  abandon(): AttemptFailure {
    const failure = this.#failure('client_closed', 'something');
    this.#drop();
    return failure;
  }

  /** A request that the instance has not got whole must not be taken for finished: its connection is reset. */
  #fail(code: ErrorCode, sent: 'nothing' | 'something' = 'something'): void {
    const failure = this.#failure(code, sent);
    this.#drop();
    this.#run.failed(failure, this);
  }

  #drop(): void {
    this.#clearLimits();
    this.upstream?.reset();
    this.upstream = undefined;
  }

  #failure(code: ErrorCode, sent: 'nothing' | 'something'): AttemptFailure {
    const connection = this.#connection;
    if (sent === 'nothing' || this.#phase !== 'waiting') return { code, sent: 'nothing', connection };
    return { code, sent: this.#run.replay === 'lost' ? 'body' : 'head', connection };
  }

  /** Sends the request, as far as there is something of it. */
  #send(upstream: UpstreamConnection): void {
    this.#phase = 'waiting';
    const { request, smallBody, upload, awaitsContinue } = this.#run;
    const text = requestText(this.step, request) + smallBody + (upload?.kept ?? '');
    upstream.writes += text.length > wholeWriteBytes ? 2 : 1;
    upstream.socket.write(text, 'latin1');
    const { responseHeadMs, idleMs } = this.step.timeouts;
    // A client that waits for a 100 sends nothing before the instance speaks.
    if (upload?.state !== 'more' || awaitsContinue) upstream.arm(responseHeadMs);
    else upstream.disarm();
    upload?.start(upstream, idleMs);
  }

  /** Nothing of the request goes to anybody but the instance that was registered (docs/decisions/0007-who-answers.md). */
  #identify(text: string): void {
    const { upstream, step } = this;
    if (upstream === undefined || step.identity === undefined) return;
    this.#identity += text;
    const answer = readIdentityAnswer(this.#identity, step.identity);
    if (answer === 'mismatch') {
      this.#fail('wrong_instance');
    } else if (answer === 'match') {
      this.#identity = '';
      upstream.identity = step.identity;
      this.#send(upstream);
    }
  }

  #setLimits(): void {
    const { hedgeAfterMs, timeouts } = this.step;
    if (timeouts.tryMs > 0) {
      this.#tryLimit = this.#run.alarm(timeouts.tryMs, () => {
        this.#fail('try_timeout');
      });
    }
    if (hedgeAfterMs > 0) {
      this.#hedgeDelay = this.#run.alarm(hedgeAfterMs, () => {
        this.#run.hedge(this);
      });
    }
  }

  #clearLimits(): void {
    this.#tryLimit?.clear();
    this.#hedgeDelay?.clear();
  }
}
