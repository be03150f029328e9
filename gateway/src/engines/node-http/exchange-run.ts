import type { ErrorCode } from '../../exchange/errors.ts';
import type {
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  Exchanges,
  RelayStep,
  ResponseHead,
  Step,
  WaitStep,
} from '../../exchange/seam.ts';
import type { EngineOptions } from '../engine.ts';
import {
  startAttempt,
  type Attempt,
  type AttemptContext,
  type SwitchedConnection,
  type UpstreamResponse,
} from './attempt.ts';
import { createClientSide, type ClientMessage, type ClientSide } from './client-side.ts';
import type { Relay } from './relay.ts';
import { createRequestBody, type RequestBody } from './request-body.ts';
import type { Persistence } from './response-writer.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import { startWaiting, type Waiting } from './waiting.ts';
import { WheelTimer } from './wheel-timer.ts';

/** What all exchanges of an engine share. */
export interface RunContext extends AttemptContext {
  readonly exchanges: Exchanges;
  /** 0 for no limit. */
  readonly bodyBytes: number;
  readonly replayBytes: number;
  readonly onFault: EngineOptions['onFault'];
  /** `close` once the engine discourages its clients. */
  readonly persistence: () => Persistence;
  /** In how many milliseconds a WebSocket has to leave; undefined as long as the engine doesn't stop. */
  readonly departsInMs: () => number | undefined;
}

/** An exchange on its way. */
export interface ExchangeRun {
  /** Once, first. */
  start(): void;
  /** Whether the client connection goes on after the response; `keep` as long as its head is not written. */
  persistence(): Persistence;
  /** The request's body can't be read to its end. */
  bodyBroken(code: ErrorCode): void;
  /** A WebSocket is closed in order after `ms`; to everything else this means nothing. */
  leaveAfter(ms: number): void;
  /** Destroys the connections on both sides. */
  cut(kind: 'shutdown'): void;
}

/**
 * An exchange, driven over the seam: `start` opens it; from then on it acts on its steps, moves its bytes, tells it exactly once how
 * it ended, and then calls `done`. A mistake of our own ends this one exchange with a 500 or a cut, is reported to
 * `onFault`, and harms no other.
 */
export function createExchangeRun(
  context: RunContext,
  message: ClientMessage,
  done: () => void,
): ExchangeRun {
  return new Run(context, message, done);
}

class Run implements ExchangeRun {
  readonly #context: RunContext;
  readonly #message: ClientMessage;
  readonly #done: () => void;
  readonly #client: ClientSide;
  readonly #body: RequestBody;
  readonly #deadline: WheelTimer;
  readonly #hedgeDelay: WheelTimer;
  /** Those under way: one, or two while it hedges. */
  readonly #attempts = new Map<AttemptStep, Attempt>();
  #phase: 'attempting' | 'waiting' | 'relaying' | 'answering' | 'tunnelling' | 'over' = 'attempting';
  #exchange: Exchange | undefined;
  /** The attempt after whose start a hedge may come. */
  #hedged: AttemptStep | undefined;
  #waiting: Waiting | undefined;
  /** The attempt whose response is relayed; its upload may still run. */
  #relayed: Attempt | undefined;
  /** How a cut response shows. */
  #cutBy: 'close' | 'reset' = 'close';
  #relay: Relay | undefined;
  #tunnel: Tunnel | undefined;
  /** Why the rest of the request will never come. */
  #broken: ErrorCode | undefined;
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(context: RunContext, message: ClientMessage, done: () => void) {
    this.#context = context;
    this.#message = message;
    this.#done = done;
    const { wheel } = context;
    this.#client = createClientSide(message, {
      persistence: context.persistence,
      closed: this.#guard((how) => {
        this.#clientClosed(how);
      }),
      wheel,
    });
    this.#body = createRequestBody({
      source: message.request,
      replayBytes: context.replayBytes,
      taken: this.#guard((bytes: number) => {
        this.#requestTaken(bytes);
      }),
    });
    this.#deadline = new WheelTimer(
      wheel,
      this.#guard(() => {
        if (this.#phase === 'attempting') this.#failAttempts('deadline_exceeded');
        else if (this.#phase === 'relaying') this.#cut('deadline', this.#cutBy);
      }),
    );
    this.#hedgeDelay = new WheelTimer(
      wheel,
      this.#guard(() => {
        this.#hedge();
      }),
    );
  }

  start(): void {
    this.#guard(() => {
      this.#exchange = this.#context.exchanges.open(this.#message.head);
      this.#follow(this.#exchange.begin());
    })();
  }

  persistence(): Persistence {
    return this.#client.persistence();
  }

  bodyBroken(code: ErrorCode): void {
    this.#guard(() => {
      this.#client.requestBroken();
      this.#broken = code;
      if (this.#phase === 'attempting') this.#failAttempts(code);
      else if (this.#phase === 'relaying') this.#cut('client_closed');
    })();
  }

  leaveAfter(ms: number): void {
    this.#tunnel?.leaveAfter(ms);
  }

  cut(kind: 'shutdown'): void {
    this.#guard(() => {
      this.#cut(kind);
    })();
  }

  /** The one funnel for our own mistakes: whatever happens in an exchange happens within it. */
  #guard<A extends readonly unknown[]>(work: (...values: A) => void): (...values: A) => void {
    return (...values) => {
      try {
        work(...values);
      } catch (fault) {
        this.#context.onFault(fault);
        this.#giveUp();
      }
    };
  }

  #giveUp(): void {
    if (this.#phase === 'over') return;
    try {
      const state = this.#client.state();
      if (state === 'gone') this.#cut('client_closed');
      else if (state === 'answered' || this.#phase === 'tunnelling') this.#cut('shutdown');
      else this.#follow(this.#context.exchanges.refuse('internal', this.#message.head.client));
    } catch (fault) {
      this.#context.onFault(fault);
      this.#client.cut('close');
      this.#end('shutdown');
    }
  }

  #follow(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#try(step);
        return;
      case 'wait':
        this.#wait(step);
        return;
      case 'answer':
        this.#release();
        this.#phase = 'answering';
        this.#responseBytes += this.#client.answer(step);
        return;
      case 'finish':
        this.#cut('client_closed');
        return;
      case 'pending':
        if (this.#attempts.size === 0) throw new Error('nothing is under way that could be waited for');
        return;
      case 'relay':
        throw new Error('a relay step where there is no response');
    }
  }

  #wait(step: WaitStep): void {
    this.#phase = 'waiting';
    // The step's own time is within what is left of it.
    this.#deadline.end();
    this.#waiting = startWaiting(
      this.#context.wheel,
      step,
      this.#guard((how: 'ready' | 'timeout') => {
        this.#follow(this.#opened().waited(how));
      }),
    );
  }

  #try(step: AttemptStep): void {
    this.#phase = 'attempting';
    const refusal = this.#refusal(step);
    if (refusal !== undefined) {
      const sent = this.#body.replay() === 'possible' ? 'nothing' : 'body';
      this.#follow(this.#opened().failed({ code: refusal, sent, connection: 'fresh' }, step));
      return;
    }
    const { hedgeAfterMs, timeouts } = step;
    if (timeouts.totalMs > 0) this.#deadline.set(timeouts.totalMs);
    else this.#deadline.end();
    if (hedgeAfterMs > 0) {
      this.#hedged = step;
      this.#hedgeDelay.set(hedgeAfterMs);
    }
    this.#attempts.set(step, this.#start(step));
  }

  #start(step: AttemptStep): Attempt {
    const { head, response, socket } = this.#message;
    const awaitsContinue = (): boolean => this.#client.awaitsContinue();
    const source = { head, body: this.#body, awaitsContinue, response, socket };
    return startAttempt(this.#context, source, step, {
      interim: this.#guard((interim: ResponseHead) => {
        const fields = this.#opened().interim(interim);
        if (fields !== undefined) this.#client.interim({ ...interim, fields });
      }),
      responded: this.#guard((upstream: UpstreamResponse) => {
        this.#responded(upstream, step);
      }),
      switched: this.#guard((connection: SwitchedConnection) => {
        this.#switched(connection, step);
      }),
      failed: this.#guard((failure: AttemptFailure) => {
        this.#attempts.delete(step);
        this.#follow(this.#opened().failed(failure, step));
      }),
    });
  }

  /** What can be told before anything is sent. CONNECT, and an upgrade behind which the parser stays, can't be carried out here. */
  #refusal(step: AttemptStep): ErrorCode | undefined {
    const { bodyBytes } = this.#context;
    const { head, early } = this.#message;
    if (this.#broken !== undefined) return this.#broken;
    if (bodyBytes > 0 && head.body.kind === 'length' && head.body.bytes > bodyBytes)
      return 'content_too_large';
    const impossible = step.method === 'CONNECT' || (step.upgrade !== undefined && early === undefined);
    return impossible || this.#body.replay() === 'impossible' ? 'internal' : undefined;
  }

  /** A second attempt beside the first, where all of the request is at hand. */
  #hedge(): void {
    const { head } = this.#message;
    if (this.#phase !== 'attempting' || this.#hedged === undefined || !this.#attempts.has(this.#hedged))
      return;
    if (head.body.kind !== 'none') {
      if (this.#body.replay() === 'impossible' || this.#body.arrival() === 'part') return;
    }
    const step = this.#opened().hedge();
    if (step !== undefined) this.#try(step);
  }

  /** Ends the attempts under way for a reason of the whole exchange, and asks the exchange what comes next. */
  #failAttempts(code: ErrorCode): void {
    for (const [step, attempt] of [...this.#attempts]) {
      if (!this.#attempts.delete(step)) continue; // It was dropped with the one before.
      this.#follow(this.#opened().failed(attempt.abandon(code), step));
    }
  }

  #cancelAttempts(): void {
    for (const attempt of this.#attempts.values()) attempt.cancel();
    this.#attempts.clear();
  }

  #requestTaken(bytes: number): void {
    const { bodyBytes } = this.#context;
    this.#requestBytes += bytes;
    if (bodyBytes > 0 && this.#requestBytes > bodyBytes) this.bodyBroken('content_too_large');
    else this.#relay?.touch();
  }

  #responded(upstream: UpstreamResponse, of: AttemptStep): void {
    const sent = this.#body.replay() === 'possible' ? 'head' : 'body';
    const step = this.#opened().responded(upstream.head, of, sent);
    const attempt = this.#attempts.get(of);
    this.#attempts.delete(of);
    if (step.kind === 'relay') {
      this.#cancelAttempts();
      this.#relayed = attempt;
      this.#startRelay(step, upstream, of);
    } else {
      attempt?.cancel();
      this.#follow(step);
    }
  }

  #startRelay(step: RelayStep, upstream: UpstreamResponse, { timeouts: { idleMs } }: AttemptStep): void {
    this.#phase = 'relaying';
    this.#body.settle();
    // With an end that only the connection's end tells, an early one would look like it.
    const untold = upstream.framing.kind !== 'length' && this.#message.head.version === '1.0';
    this.#cutBy = untold ? 'reset' : 'close';
    this.#relay = this.#client.relay(step, upstream, {
      upload: this.#relayed?.upload() ?? 'done',
      idleMs,
      listener: {
        bytes: (count) => {
          this.#responseBytes += count;
        },
        delivered: () => {
          // The answer is complete without the rest of the upload, which nobody wants any more.
          if (this.#relayed?.upload() === 'running') this.#relayed.cancel();
        },
        broken: this.#guard(() => {
          this.#cut('response_incomplete', this.#cutBy);
        }),
        stuck: this.#guard((waitingFor) => {
          this.#cut(waitingFor === 'client' ? 'client_closed' : 'response_incomplete');
        }),
      },
    });
  }

  #switched(connection: SwitchedConnection, of: AttemptStep): void {
    const { head, socket: upstream, first, instance } = connection;
    try {
      const step = this.#opened().responded(head, of);
      this.#attempts.delete(of);
      if (step.kind !== 'relay') {
        upstream.destroy();
        this.#follow(step);
        return;
      }
      this.#release();
      this.#phase = 'tunnelling';
      const early = this.#client.switchTo(step, of.upgrade ?? '');
      const ended = this.#guard((end: ExchangeEnd) => {
        this.#requestBytes = end.requestBytes;
        this.#responseBytes = end.responseBytes;
        this.#end(end.kind);
      });
      const { wheel } = this.#context;
      const { idleMs } = of.timeouts;
      this.#tunnel = openTunnel(this.#message.socket, upstream, {
        idleMs,
        early,
        first,
        wheel,
        instance,
        ended,
      });
      const departsInMs = this.#context.departsInMs();
      if (departsInMs !== undefined) this.#tunnel.leaveAfter(departsInMs);
    } catch (fault) {
      upstream.destroy();
      throw fault;
    }
  }

  #clientClosed(how: 'complete' | 'left'): void {
    // A tunnel hears of it by itself.
    if (this.#phase === 'over' || this.#phase === 'tunnelling') return;
    if (how === 'complete') {
      this.#end('complete');
      return;
    }
    const [under] = this.#attempts;
    if (this.#phase === 'attempting' && under !== undefined) {
      const [step, attempt] = under;
      this.#opened().failed(attempt.abandon('client_closed'), step);
    } else if (this.#phase === 'waiting') {
      this.#waiting?.end();
      this.#opened().failed({ code: 'client_closed', sent: 'nothing', connection: 'fresh' }, undefined);
    }
    this.#cut('client_closed');
  }

  #cut(kind: ExchangeEnd['kind'], how: 'close' | 'reset' = 'close'): void {
    if (this.#phase === 'over') return;
    this.#release();
    this.#relayed?.cancel();
    if (this.#tunnel !== undefined) this.#tunnel.cut(kind);
    else {
      this.#client.cut(how);
      this.#end(kind);
    }
  }

  /** Ends everything that only serves to find a response. */
  #release(): void {
    this.#waiting?.end();
    this.#deadline.end();
    this.#hedgeDelay.end();
    this.#cancelAttempts();
    this.#body.settle();
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#release();
    this.#client.release();
    this.#relay?.stop();
    try {
      this.#exchange?.ended({ kind, requestBytes: this.#requestBytes, responseBytes: this.#responseBytes });
    } finally {
      this.#done();
    }
  }

  #opened(): Exchange {
    if (this.#exchange === undefined) throw new Error('an event before the exchange was opened');
    return this.#exchange;
  }
}
