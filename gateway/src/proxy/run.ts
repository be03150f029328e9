import type { ErrorCode } from '../exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  PendingStep,
  RelayStep,
  Step,
} from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import { OneShotTimer } from '../sockets/one-shot-timer.ts';
import { Attempt } from './attempt.ts';
import { DiscardBody } from './discard-body.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  ClientHandler,
  ClientPort,
  CutBy,
  InstanceResponse,
} from './ports.ts';
import { countExchange, keepsConnections, type ProxyContext } from './proxy-context.ts';
import { QueueWait } from './queue-wait.ts';
import { Relay } from './relay.ts';
import type { AttemptStage, InstanceStage, Stage, StageHost } from './stage.ts';
import { Tunnel } from './tunnel.ts';
import { Upload } from './upload.ts';

/** A run that is asked for more attempts than this is caught in a mistake of the exchange. */
const maxAttempts = 32;
/** The rest of an unread body up to this size is read and dropped, so that the client connection can go on. */
const shortRestBytes = 16_384;

/**
 * One exchange on its client connection: does what the steps of the exchange say, stage after stage, and tells it what came of each.
 * The same for every protocol; {@link ClientPort} and `InstancePort` know how bytes are written. Made for each request; it ends
 * with `complete`, `cut` or the end of the client connection.
 */
export class ExchangeRun implements ClientHandler, StageHost {
  readonly client: ClientPort;
  readonly context: ProxyContext;
  readonly request: AcceptedRequest;
  upload: Upload | undefined;
  readonly #exchange: Exchange;
  #stage: Stage | undefined;
  #totalLimit: OneShotTimer | undefined;
  #attempts = 0;
  /** What the last stage had come to, or the gateway's own answer. */
  #requestBytes: number | undefined;
  #responseBytes = 0;
  /** Whether the client has got its 100. */
  #continued = false;
  /** Why the rest of the request can't be read. */
  #broken: ErrorCode | undefined;
  #over = false;
  #faulted = false;

  constructor(client: ClientPort, request: AcceptedRequest, context: ProxyContext) {
    this.client = client;
    this.context = context;
    this.request = request;
    if (client.body !== undefined || client.smallBody !== '') this.upload = new Upload(client, context);
    this.#exchange = context.exchanges.open(request);
    countExchange(context, 'begin', request);
  }

  get uploading(): boolean {
    return this.upload?.done === false;
  }

  get awaitsContinue(): boolean {
    return (
      this.request.expectation === 'continue' &&
      !this.#continued &&
      this.uploading &&
      this.upload?.contentBytes === 0
    );
  }

  get replayable(): boolean {
    return this.upload?.replayable ?? true;
  }

  get persistence(): Persistence {
    return this.#broken === undefined && keepsConnections(this.context) ? this.request.persistence : 'close';
  }

  timer(ms: number, expired: () => void): OneShotTimer {
    return new OneShotTimer(this.context.wheel, ms, expired, (fault) => {
      this.faulted(fault);
    });
  }

  /** Starts the exchange. */
  begin(): void {
    try {
      this.#act(this.#exchange.begin());
    } catch (fault) {
      this.faulted(fault);
    }
  }

  get takes(): 'nothing' | 'body' | 'raw' {
    return this.#stage?.takes ?? 'nothing';
  }

  clientBody(piece: BodyPiece): void {
    this.#stage?.clientBody(piece);
  }

  clientRaw(bytes: Buffer, from: number, to: number): void {
    this.#stage?.clientRaw(bytes, from, to);
  }

  clientDrained(): void {
    this.#stage?.clientDrained();
  }

  clientEnded(): void {
    this.#stage?.clientEnded();
  }

  clientTimedOut(): void {
    this.#stage?.clientTimedOut();
  }

  clientBroken(code: ErrorCode): void {
    this.#broken = code;
    if (this.#over) return;
    if (this.#stage instanceof Attempt) this.#stage.fail(code);
    else if (this.#stage instanceof Relay) this.client.destroy(this.client.response.cutBy);
  }

  clientGone(): void {
    if (this.#over) return;
    const stage = this.#stage;
    const of = stage instanceof Attempt ? stage.step : undefined;
    const failure = this.#abandon();
    try {
      if (failure !== undefined) this.#exchange.failed(failure, of);
    } catch (fault) {
      this.context.onFault(fault);
    }
    this.#end(stage?.response === 'whole' ? 'complete' : 'client_closed');
  }

  /** The listener stops: a WebSocket is closed at its time, everything else may finish. */
  drain(): void {
    const delayMs = this.context.closeAfterMs();
    if (delayMs !== undefined && this.#stage instanceof Tunnel) this.#stage.closeAfter(delayMs);
  }

  /** Ends it at the drain deadline. Returns how the client's connection has to end. */
  shutdown(): CutBy {
    const stage = this.#stage;
    if (stage instanceof Tunnel) stage.close();
    if (!this.#over) this.#abandon();
    this.#end('shutdown');
    return stage instanceof Relay ? this.client.response.cutBy : 'plain';
  }

  faulted(fault: unknown): void {
    this.context.onFault(fault);
    const begun = this.#over || this.#faulted || (this.#stage?.response ?? 'none') !== 'none';
    this.#faulted = true;
    if (!this.#over) this.#abandon();
    try {
      if (begun) this.cut('response_incomplete', 'reset');
      else this.#answer(this.#internalError);
    } catch (another) {
      this.faulted(another);
    }
  }

  interim(head: InstanceResponse): void {
    const fields = this.#exchange.interim(head);
    if (fields === undefined) return;
    if (head.status === 100) this.#continued = true;
    this.client.response.interim({ status: head.status, reason: head.reason, fields });
  }

  responded(attempt: AttemptStage, head: InstanceResponse): void {
    const step = this.#exchange.responded(head, attempt.step, this.replayable ? 'head' : 'body');
    if (attempt === this.#stage) this.#stage = undefined;
    if (step.kind === 'relay') {
      this.#relay(step, attempt, head);
    } else {
      attempt.abandon();
      this.#act(step);
    }
  }

  failed(failure: AttemptFailure, attempt: AttemptStage): void {
    if (attempt === this.#stage) this.#stage = undefined;
    this.#act(this.#exchange.failed(failure, attempt.step));
  }

  waited(how: 'ready' | 'timeout'): void {
    this.#stage = undefined;
    this.#act(this.#exchange.waited(how));
  }

  hedge(attempt: AttemptStage, silent?: AttemptFailure['sent']): void {
    // Two attempts can't share an upload that is still under way.
    const mayShare = silent === 'nothing' || (!this.uploading && this.replayable);
    if (attempt !== this.#stage || !mayShare) return;
    const step = silent === undefined ? this.#exchange.hedge() : this.#exchange.leave(attempt.step, silent);
    if (step !== undefined) this.#attempt(step);
  }

  uploadOn(stage: InstanceStage & { start(): void }): void {
    (this.#stage = stage).start();
  }

  complete(persistence: Persistence): void {
    this.#end('complete');
    this.client.done(persistence);
  }

  cut(kind: ExchangeEnd['kind'], how: CutBy): void {
    this.#end(kind);
    // What is still coming would be answered by a reset, which takes with it what there was of an answer (R34).
    if (how === 'plain' && this.uploading) this.client.close();
    else this.client.destroy(how);
  }

  get #internalError(): AnswerStep {
    return this.context.exchanges.refuse('internal', this.client.facts);
  }

  #act(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#attempt(step);
        return;
      case 'wait':
        this.#abandon();
        this.#totalLimit?.clear();
        this.#stage = new QueueWait(this, step);
        return;
      case 'pending':
        this.#pending(step);
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
    if (this.#attempts > maxAttempts || this.upload?.lost === true) {
      this.#answer(this.#internalError);
      return;
    }
    if (this.#broken !== undefined) {
      const failure: AttemptFailure = { code: this.#broken, sent: 'nothing', connection: 'fresh' };
      this.#act(this.#exchange.failed(failure, step));
      return;
    }
    const attempt = new Attempt(this, step);
    step.driver = attempt;
    // A hedging attempt runs beside the stage, unless that was given up for it.
    if (!(this.#stage instanceof Attempt) || this.#stage.instance === undefined) this.#stage = attempt;
    this.#limitTotal(step.timeouts.totalMs);
    attempt.start();
  }

  /** Sets what is left of the time for the whole exchange. */
  #limitTotal(totalMs: number): void {
    this.#totalLimit?.clear();
    if (totalMs === 0) return;
    this.#totalLimit = this.timer(totalMs, () => {
      this.#stage?.expired();
    });
  }

  /** Passes the response on. */
  #relay(step: RelayStep, attempt: AttemptStage, response: InstanceResponse): void {
    this.#abandon();
    this.upload?.forget();
    const { instance, stall } = attempt;
    if (instance === undefined || stall === undefined) {
      this.cut('response_incomplete', 'reset');
      return;
    }
    const { idleMs } = attempt.step.timeouts;
    if (response.status !== 101) {
      const relay = new Relay(this, instance, { idleMs, stall });
      this.#stage = relay;
      relay.start(step, response, attempt);
      return;
    }
    this.#totalLimit?.clear();
    const tunnel = new Tunnel(this, instance, { idleMs, stall });
    this.#stage = tunnel;
    tunnel.start(step, attempt);
  }

  #answer(step: AnswerStep): void {
    this.#abandon();
    const { client, upload } = this;
    const left = client.body?.leftBytes ?? Infinity;
    // A client that waits for a 100 may never send its body.
    const short = left <= shortRestBytes && this.request.expectation === 'none';
    const readable = !this.uploading || short;
    const persistence = readable && step.connection === 'keep' ? this.persistence : 'close';
    this.#responseBytes = client.response.answer(step, persistence);
    this.#end('complete');
    if (persistence === 'close' || upload === undefined || upload.done) {
      client.done(persistence);
      return;
    }
    this.#stage = new DiscardBody(this);
    client.resume();
  }

  /** Of two hedged attempts one is over: the other one is the stage now. The exchange knows it. */
  #pending({ of }: PendingStep): void {
    if (this.#stage !== undefined) return;
    if (of.driver instanceof Attempt) this.#stage = of.driver;
    else this.#answer(this.#internalError);
  }

  /**
   * Drops the stage; the exchange drops an attempt beside it. Returns what the stage had come to, if it was an attempt or a
   * wait.
   */
  #abandon(): AttemptFailure | undefined {
    const stage = this.#stage;
    this.#stage = undefined;
    this.#requestBytes = stage?.requestBytes;
    this.#responseBytes = stage?.responseBytes ?? 0;
    return stage?.abandon();
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#over) return;
    this.#over = true;
    countExchange(this.context, 'end', this.request);
    this.#totalLimit?.clear();
    const requestBytes = this.#stage?.requestBytes ?? this.#requestBytes ?? this.upload?.contentBytes ?? 0;
    const responseBytes = this.#stage?.responseBytes ?? this.#responseBytes;
    this.upload?.forget();
    try {
      const end = { kind, requestBytes, responseBytes };
      const refused = kind === 'response_incomplete' && this.uploading;
      this.#exchange.ended(refused ? { ...end, uploading: true } : end);
    } catch (fault) {
      this.context.onFault(fault);
    }
  }
}
