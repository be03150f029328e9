import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  RelayStep,
  Step,
} from '../../exchange/seam.ts';
import { Attempt } from './attempt.ts';
import type { ClientConnection } from './client-connection.ts';
import { Download } from './download.ts';
import type { EngineContext } from './engine-context.ts';
import { isFieldText } from './grammar.ts';
import { answerText, responseText } from './message-text.ts';
import { Relay } from './relay.ts';
import type { ParsedRequest } from './request-head.ts';
import type { ParsedResponse } from './response-head.ts';
import type { Stage } from './stage.ts';
import { Tunnel } from './tunnel.ts';
import { Upload } from './upload.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** A body up to this size that came together with its head is sent in the same write, and can be sent again. */
const smallBodyBytes = 16_384;
/** An exchange that asks for more attempts than this has lost its way. */
const maxAttempts = 32;

/** What an exchange is asked. */
type Question =
  | { readonly kind: 'begin' }
  | { readonly kind: 'responded'; readonly response: ParsedResponse }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure };

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
  #stage: Stage | undefined;
  #attempts = 0;
  #answerBytes = 0;
  /** `answered`: the rest of a body is read over before the next request. */
  #phase: 'running' | 'answered' | 'over' = 'running';

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

  /** Whether the client waits for a 100; one of HTTP/1.0 waits for nothing (RFC 9110 §10.1.1). */
  get expectation(): 'none' | 'continue' {
    return this.request.version === '1.1' ? this.request.expectation : 'none';
  }

  /** Starts it, with the bytes that came behind the head. Returns the index after those it took. */
  begin(bytes: Buffer, from: number, to: number): number {
    const { body } = this.request;
    let at = from;
    if (body.kind === 'length' && body.bytes <= smallBodyBytes && body.bytes <= to - from) {
      at = from + body.bytes;
      this.smallBody = bytes.toString('latin1', from, at);
    } else if (body.kind !== 'none') this.upload = new Upload(this.client, body, this.context);
    this.#act(this.#ask({ kind: 'begin' }));
    return at < to ? this.clientBytes(bytes, at, to) : at;
  }

  /** Bytes of the client that follow the head; as {@link Stage.clientBytes}. */
  clientBytes(bytes: Buffer, from: number, to: number): number {
    if (this.#phase === 'answered' && this.upload !== undefined) {
      return this.#skip(this.upload, bytes, [from, to]);
    }
    return this.#stage?.clientBytes(bytes, from, to) ?? from;
  }

  clientDrained(): void {
    this.#stage?.clientDrained();
  }

  clientEnded(): void {
    if (this.#phase === 'answered') this.client.destroy('plain');
    else this.#stage?.clientEnded();
  }

  clientTimedOut(): void {
    if (this.#phase === 'answered') this.client.destroy('plain');
    else this.#stage?.clientTimedOut();
  }

  /** The client connection is gone. */
  clientGone(): void {
    if (this.#phase !== 'running') return;
    const failure = this.#stage?.abandon();
    if (failure !== undefined) this.#ask({ kind: 'failed', failure });
    this.#end('client_closed');
  }

  /** Cuts it, at the end of a drain. */
  shutdown(): void {
    if (this.#phase === 'running') this.#stage?.abandon();
    this.#end('shutdown');
  }

  /** A mistake of ours: it ends this exchange and its connections, and nothing else. */
  faulted(fault: unknown): void {
    this.context.onFault(fault);
    if (this.#phase === 'running') this.#stage?.abandon();
    this.cut('response_incomplete', 'reset');
  }

  /** An interim head of the instance. */
  interim(head: ParsedResponse): void {
    const fields = this.#exchange.interim(head);
    // R10: HTTP/1.0 knows no interim responses, and a 100 is for who waits for one.
    const expected = head.status !== 100 || this.expectation === 'continue';
    if (fields === undefined || this.request.version === '1.0' || !expected) return;
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
    const step = this.#ask({ kind: 'responded', response });
    if (step.kind !== 'relay') {
      upstream.destroy();
      this.#act(step);
    } else if (response.status === 101 && upgrade !== undefined) this.#tunnel(step, attempt, upstream);
    else this.#relay({ step, response }, attempt.step, upstream);
  }

  /** The attempt came to nothing. */
  failed(failure: AttemptFailure): void {
    this.#act(this.#ask({ kind: 'failed', failure }));
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
      switch (question.kind) {
        case 'begin':
          return this.#exchange.begin();
        case 'responded':
          return this.#exchange.responded(question.response);
        case 'failed':
          return this.#exchange.failed(question.failure);
      }
    } catch (fault) {
      this.context.onFault(fault);
      return this.context.exchanges.refuse('internal', this.client.facts);
    }
  }

  #act(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#attempt(step);
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
    if (this.#attempts > maxAttempts || this.upload?.taken === 'some') {
      this.#answer(this.context.exchanges.refuse('internal', this.client.facts));
    } else if (step.upgrade !== undefined && (this.upload !== undefined || this.smallBody !== '')) {
      // R29: what follows an upgrade request must be the new protocol's, so it can have no body.
      this.failed({ code: 'bad_request', sent: 'nothing', connection: 'fresh' });
    } else {
      const attempt = new Attempt(this, step);
      this.#stage = attempt;
      attempt.start();
    }
  }

  #relay(
    { step, response }: { readonly step: RelayStep; readonly response: ParsedResponse },
    { upgrade, timeouts }: AttemptStep,
    upstream: UpstreamConnection,
  ): void {
    // An answer that refuses won't have its body read; the client should hear that the connection ends (R34, R35).
    const unread = this.uploading && (response.status >= 300 || this.expectation === 'continue');
    // What a client has sent behind an upgrade is of the new protocol; without one, nobody can read it (R29).
    const stray = upgrade !== undefined && this.client.ahead === 'yes';
    const connection = unread || stray || step.connection === 'close' ? 'close' : this.#persistence;
    const download = new Download(this.client.socket, this.request, { step, response }, connection);
    const relay = new Relay(this, upstream, download, timeouts.idleMs);
    this.#stage = relay;
    upstream.user = relay;
    const { bytes, at, end } = upstream.heads;
    relay.upstreamBytes(bytes, at, end);
  }

  #tunnel(
    step: RelayStep,
    { step: { upgrade = '', timeouts } }: Attempt,
    upstream: UpstreamConnection,
  ): void {
    this.client.socket.write(responseText(step, { kind: 'none' }, { upgrade }), 'latin1');
    const tunnel = new Tunnel(this, upstream, timeouts.idleMs);
    this.#stage = tunnel;
    upstream.user = tunnel;
    const { bytes, at, end } = upstream.heads;
    if (at < end) tunnel.upstreamBytes(bytes, at, end);
    this.client.feed();
    if (this.client.input === 'ended') tunnel.clientEnded();
  }

  #answer(given: AnswerStep): void {
    const step = this.#writable(given);
    const upload = this.uploading ? this.upload : undefined;
    // A short rest of a body is worth waiting for, to keep the connection; not from a client that may never send it.
    const short = (upload?.leftBytes ?? Infinity) <= smallBodyBytes && this.expectation === 'none';
    const readable = upload === undefined || short ? this.#persistence : 'close';
    const connection = step.connection === 'close' ? 'close' : readable;
    const { method } = this.request;
    const date = this.context.httpDate();
    this.client.socket.write(answerText(step, method, { date, connection }), 'latin1');
    this.#stage = undefined;
    this.#answerBytes = method === 'HEAD' ? 0 : Buffer.byteLength(step.body);
    if (upload === undefined || connection === 'close') {
      this.complete(connection);
      return;
    }
    this.#end('complete');
    this.#phase = 'answered';
    this.context.wheel.arm(this.client.timeout, this.context.limits.requestHeadMs);
    this.client.feed();
  }

  /** An answer whose fields would break out of their lines is a mistake of ours, and never written. */
  #writable(step: AnswerStep): AnswerStep {
    if (step.fields.every(isFieldText)) return step;
    this.context.onFault(new Error(`an answer ${String(step.status)} has a field that can not be written`));
    return this.context.exchanges.refuse('internal', this.client.facts);
  }

  /** Reads over the rest of a body that nobody wants; then the next request may come (R35). */
  #skip(upload: Upload, bytes: Buffer, [from, to]: readonly [number, number]): number {
    const end = upload.skip(bytes, from, to);
    if (upload.state === 'done') {
      this.#phase = 'over';
      this.context.wheel.disarm(this.client.timeout);
      this.client.exchangeOver('keep');
    }
    return end;
  }

  get #persistence(): 'keep' | 'close' {
    return this.context.state === 'open' ? this.request.persistence : 'close';
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase !== 'running') return;
    this.#phase = 'over';
    this.context.exchangesRunning -= 1;
    const stage = this.#stage;
    const requestBytes = stage?.requestBytes ?? this.upload?.contentBytes ?? this.smallBody.length;
    const responseBytes = stage?.responseBytes ?? this.#answerBytes;
    try {
      this.#exchange.ended({ kind, requestBytes, responseBytes });
    } catch (fault) {
      this.context.onFault(fault);
    }
  }
}
