import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  RelayStep,
  Step,
} from '../exchange/seam.ts';
import { Alarm } from './alarm.ts';
import { Attempt } from './attempt.ts';
import type { ClientConnection } from '../http1/client-connection.ts';
import { ClientEnd } from './client-end.ts';
import type { EngineContext } from './engine-context.ts';
import { responseText } from '../http1/message-text.ts';
import { writeOwnAnswer } from './own-answer.ts';
import { ask, type Question } from './question.ts';
import { Relay, startRelay } from './relay.ts';
import type { ParsedRequest } from '../http1/request-head.ts';
import type { ParsedResponse } from '../http1/response-head.ts';
import { Skipping } from './skipping.ts';
import { startTunnel, Tunnel } from './tunnel.ts';
import { Underway } from './underway.ts';
import { Upload } from './upload.ts';
import type { UpstreamConnection } from '../upstreams/upstream-connection.ts';
import { Waiting } from './waiting.ts';

/** A body up to this size that came together with its head is sent in the same write. */
const smallBodyBytes = 16_384;
/** An exchange that asks for more attempts than this has lost its way. */
const maxAttempts = 32;

/**
 * One exchange on its client connection: does what the steps say, stage after stage, and says what came of it. Made for each
 * request, forgotten when the exchange is over.
 */
export class ExchangeRun {
  readonly client: ClientConnection;
  readonly context: EngineContext;
  readonly request: ParsedRequest;
  /** The request body, unless there is none or it is a small one; latin1. */
  upload: Upload | undefined;
  smallBody = '';
  readonly #exchange: Exchange;
  readonly #underway = new Underway();
  #total: Alarm | undefined;
  #clientEnd: ClientEnd | undefined;
  #attempts = 0;
  #answerBytes = 0;
  /** Whether the client has got its 100. */
  #continued: 'no' | 'yes' = 'no';
  #phase: 'running' | 'over' = 'running';

  constructor(client: ClientConnection, request: ParsedRequest, context: EngineContext) {
    this.client = client;
    this.context = context;
    this.request = request;
    this.#exchange = context.exchanges.open(request);
    context.exchangesRunning += 1;
  }

  /** Whether the client still has to send part of its request. */
  get uploading(): boolean {
    return this.upload?.state === 'more';
  }

  /** Whether the client asked for a 100; one of HTTP/1.0 waits for nothing (RFC 9110 §10.1.1). */
  get expectation(): 'none' | 'continue' {
    return this.request.version === '1.1' ? this.request.expectation : 'none';
  }

  /** Whether the client may send its body only after a 100. */
  get awaitsContinue(): boolean {
    return this.expectation === 'continue' && this.#continued === 'no' && this.upload?.contentBytes === 0;
  }

  /** Whether all of the body that an instance was sent can be sent again. */
  get replay(): 'whole' | 'lost' {
    return this.upload?.replay ?? (this.smallBody.length > this.context.replayBytes ? 'lost' : 'whole');
  }

  /** Whether the client connection can go on after this exchange. */
  get persistence(): 'keep' | 'close' {
    return this.context.state === 'open' ? this.request.persistence : 'close';
  }

  /** What the client gets when we have made a mistake. */
  get mistake(): AnswerStep {
    return this.context.exchanges.refuse('internal', this.client.facts);
  }

  /** For a client that ends its side. */
  get clientEnd(): ClientEnd {
    return (this.#clientEnd ??= new ClientEnd(this));
  }

  /** Calls `ring` after `ms`. Ended by who asks for it. */
  alarm(ms: number, ring: () => void): Alarm {
    return new Alarm(this.context.wheel, ms, ring, (fault) => {
      this.faulted(fault);
    });
  }

  /** Starts it, with the bytes that came behind the head. Returns the index after those it took. */
  begin(bytes: Buffer, from: number, to: number): number {
    const { body } = this.request;
    let at = from;
    if (body.kind === 'length' && body.bytes <= smallBodyBytes && body.bytes <= to - from) {
      at = from + body.bytes;
      this.smallBody = bytes.toString('latin1', from, at);
    } else if (body.kind !== 'none') {
      this.upload = new Upload(this.client, body, this.context);
    }
    this.#act(this.#ask({ kind: 'begin' }));
    return at < to ? this.clientBytes(bytes, at, to) : at;
  }

  /** Bytes of the client that follow the head; as {@link Stage.clientBytes}. */
  clientBytes(bytes: Buffer, from: number, to: number): number {
    return this.#underway.stage?.clientBytes(bytes, from, to) ?? from;
  }

  clientDrained(): void {
    this.#underway.stage?.clientDrained();
  }

  clientEnded(): void {
    this.#underway.stage?.clientEnded();
  }

  clientTimedOut(): void {
    this.#underway.stage?.clientTimedOut();
  }

  /** The client connection is gone. */
  clientGone(): void {
    if (this.#phase !== 'running') return;
    const { stage } = this.#underway;
    const of = stage instanceof Attempt ? stage.step : undefined;
    const failure = this.#underway.abandon();
    if (failure !== undefined) this.#ask({ kind: 'failed', failure, of });
    this.#end('client_closed');
  }

  /** The engine stops: a WebSocket is told at its time, everything else may finish. */
  leave(): void {
    const delay = this.context.leaveAfterMs();
    const { stage } = this.#underway;
    if (delay !== undefined && stage instanceof Tunnel) stage.leaveAfter(delay);
  }

  /** Cuts it, at the end of a drain. Returns how the client's connection has to end. */
  shutdown(): 'plain' | 'reset' {
    const { stage } = this.#underway;
    if (stage instanceof Tunnel) stage.leave();
    if (this.#phase === 'running') this.#underway.abandon();
    this.#end('shutdown');
    return stage instanceof Relay ? stage.cutBy : 'plain';
  }

  /** A mistake of ours: it ends this exchange and its connections, and nothing else. */
  faulted(fault: unknown): void {
    this.context.onFault(fault);
    if (this.#phase === 'running') this.#underway.abandon();
    this.cut('response_incomplete', 'reset');
  }

  /** An interim head of the instance. */
  interim(head: ParsedResponse): void {
    const fields = this.#exchange.interim(head);
    // R10: HTTP/1.0 knows no interim responses, and a 100 is for who waits for one, once, however many instances are tried.
    const expected = head.status !== 100 || (this.expectation === 'continue' && this.#continued === 'no');
    if (fields === undefined || this.request.version === '1.0' || !expected) return;
    if (head.status === 100) this.#continued = 'yes';
    const { status, reason } = head;
    this.client.socket.write(responseText({ status, reason, fields }, { kind: 'none' }, 'keep'), 'latin1');
  }

  /** A final head of the instance; what follows it is in the attempt's connection. */
  responded(attempt: Attempt, response: ParsedResponse): void {
    const { upstream } = attempt;
    if (upstream === undefined) return;
    const { upgrade } = attempt.step;
    if (response.status === 101 && (upgrade === undefined || response.upgrade !== upgrade.toLowerCase())) {
      attempt.refuse('upgrade_failed'); // R31
      return;
    }
    const sent = this.replay === 'lost' ? 'body' : 'head';
    const step = this.#ask({ kind: 'responded', response, of: attempt.step, sent });
    this.#underway.remove(attempt);
    if (step.kind === 'relay') {
      this.#relay({ step, response }, attempt, upstream);
    } else {
      attempt.abandon();
      this.#act(step);
    }
  }

  /** The attempt came to nothing. */
  failed(failure: AttemptFailure, attempt: Attempt): void {
    this.#underway.remove(attempt);
    this.#act(this.#ask({ kind: 'failed', failure, of: attempt.step }));
  }

  /** A wait is over. */
  waited(how: 'ready' | 'timeout'): void {
    this.#underway.stage = undefined;
    this.#act(this.#ask({ kind: 'waited', how }));
  }

  /** The attempt takes long: there may be another beside it, as long as there is no body to share. */
  hedge(attempt: Attempt): void {
    if (this.#underway.alone(attempt) === 'no' || this.upload !== undefined) return;
    const step = this.#exchange.hedge();
    if (step !== undefined) this.#attempt(step);
  }

  /** The client has got everything. */
  complete(connection: 'keep' | 'close'): void {
    this.#end('complete');
    this.client.exchangeOver(connection);
  }

  /** There is no more to come, and the client connection can't say so in any other way than by its end. */
  cut(kind: ExchangeEnd['kind'], how: 'plain' | 'reset'): void {
    this.#end(kind);
    this.client.destroy(how);
  }

  /** Asks the exchange what to do. Should it throw, the mistake is ours and ends this exchange only. */
  #ask(question: Question): Step {
    try {
      return ask(this.#exchange, question);
    } catch (fault) {
      this.context.onFault(fault);
      return this.mistake;
    }
  }

  #act(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#attempt(step);
        return;
      case 'wait':
        this.#underway.abandon();
        this.#total?.clear();
        this.#underway.stage = new Waiting(this, step);
        return;
      case 'pending':
        if (this.#underway.stage === undefined) this.#answer(this.mistake);
        return;
      case 'answer':
        this.#answer(step);
        return;
      case 'relay':
      case 'finish':
        this.cut('client_closed', 'plain');
    }
  }

  #attempt(step: AttemptStep): void {
    this.#attempts += 1;
    if (this.#attempts > maxAttempts || this.upload?.replay === 'lost') {
      this.#answer(this.mistake);
      return;
    }
    if (step.upgrade !== undefined && (this.upload !== undefined || this.smallBody !== '')) {
      // R29: what follows an upgrade request must be the new protocol's, so it can have no body.
      const failure: AttemptFailure = { code: 'bad_request', sent: 'nothing', connection: 'fresh' };
      this.#act(this.#ask({ kind: 'failed', failure, of: step }));
      return;
    }
    const attempt = new Attempt(this, step);
    if (this.#underway.add(attempt) === 'no_room') {
      this.#answer(this.mistake);
      return;
    }
    this.#limit(step.timeouts.totalMs);
    attempt.start();
  }

  /** Sets what is left of the time for the whole exchange. */
  #limit(totalMs: number): void {
    this.#total?.clear();
    if (totalMs === 0) return;
    this.#total = this.alarm(totalMs, () => {
      this.#underway.expire();
    });
  }

  /** Passes the response on; of two hedged attempts the other is dropped. */
  #relay(
    answer: { readonly step: RelayStep; readonly response: ParsedResponse },
    attempt: Attempt,
    upstream: UpstreamConnection,
  ): void {
    this.#underway.abandon();
    this.upload?.forget();
    const { bytes, at, end } = upstream.heads;
    if (answer.response.status !== 101) {
      const relay = startRelay(this, answer, attempt, upstream);
      this.#underway.stage = relay;
      relay.upstreamBytes(bytes, at, end);
      return;
    }
    this.#total?.clear();
    const tunnel = startTunnel(this, answer.step, attempt, upstream);
    this.#underway.stage = tunnel;
    if (at < end) tunnel.upstreamBytes(bytes, at, end);
    this.client.feed();
    if (this.client.input === 'ended') tunnel.clientEnded();
  }

  #answer(step: AnswerStep): void {
    this.#underway.abandon();
    this.#underway.stage = undefined;
    const { bytes, connection, rest } = writeOwnAnswer(this, step);
    this.#answerBytes = bytes;
    if (rest === undefined) {
      this.complete(connection);
      return;
    }
    this.#end('complete');
    this.#underway.stage = new Skipping(this, rest);
    this.client.feed();
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase !== 'running') return;
    this.#phase = 'over';
    this.context.exchangesRunning -= 1;
    this.#total?.clear();
    const stage = this.#underway.stage;
    const requestBytes = stage?.requestBytes ?? this.upload?.contentBytes ?? this.smallBody.length;
    const responseBytes = stage?.responseBytes ?? this.#answerBytes;
    try {
      this.#exchange.ended({ kind, requestBytes, responseBytes });
    } catch (fault) {
      this.context.onFault(fault);
    }
  }
}
