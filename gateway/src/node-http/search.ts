import type { ErrorCode } from '../exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  RelayStep,
  ResponseHead,
  Step,
  WaitStep,
} from '../exchange/seam.ts';
import {
  startAttempt,
  type Attempt,
  type AttemptContext,
  type SwitchedConnection,
  type UpstreamResponse,
} from './attempt.ts';
import type { ClientMessage, ClientSide } from './client-side.ts';
import type { RequestBody } from './request-body.ts';
import { startWaiting, type Waiting } from './waiting.ts';
import { WheelTimer } from './wheel-timer.ts';

/** Makes of work of an exchange what may be called from anywhere: whatever it throws ends this exchange only. */
export type Guard = <A extends readonly unknown[]>(work: (...values: A) => void) => (...values: A) => void;

export interface SearchContext extends AttemptContext {
  /** The longest request body; 0 for no limit. */
  readonly bodyBytes: number;
}

/** What a search is for. */
export interface SearchSource {
  readonly message: ClientMessage;
  readonly client: ClientSide;
  readonly body: RequestBody;
  readonly exchange: Exchange;
  readonly guard: Guard;
}

/** What a search comes to: exactly one of these, once, unless it is ended before. Everything else is over by then. */
export interface SearchListener {
  answer(step: AnswerStep): void;
  relay(
    step: RelayStep,
    upstream: UpstreamResponse,
    by: { readonly step: AttemptStep; readonly attempt: Attempt },
  ): void;
  tunnel(step: RelayStep, connection: SwitchedConnection, by: AttemptStep): void;
  /** The client has gone. */
  finish(): void;
  /** Under way, again and again: `totalMs` from now is the time of the whole exchange; 0 for no limit. */
  limit(totalMs: number): void;
}

/** An exchange that looks for a response: attempts one after the other, two at a time while it hedges, and waits between them. */
export class Search {
  readonly #context: SearchContext;
  readonly #source: SearchSource;
  readonly #listener: SearchListener;
  readonly #hedgeDelay: WheelTimer;
  /** Those under way. */
  readonly #attempts = new Map<AttemptStep, Attempt>();
  /** The attempt after whose start a hedge may come. */
  #hedged: AttemptStep | undefined;
  #waiting: Waiting | undefined;
  /** Why the rest of the request will never come. */
  #broken: ErrorCode | undefined;

  constructor(context: SearchContext, source: SearchSource, listener: SearchListener) {
    this.#context = context;
    this.#source = source;
    this.#listener = listener;
    this.#hedgeDelay = new WheelTimer(
      context.wheel,
      source.guard(() => {
        this.#hedge();
      }),
    );
  }

  follow(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#try(step);
        return;
      case 'wait':
        this.#wait(step);
        return;
      case 'answer':
        this.end();
        this.#listener.answer(step);
        return;
      case 'finish':
        this.end();
        this.#listener.finish();
        return;
      case 'pending':
        if (this.#attempts.size === 0) throw new Error('nothing is under way that could be waited for');
        return;
      case 'relay':
        throw new Error('a relay step where there is no response');
    }
  }

  /** Ends the attempts under way for a reason of the whole exchange, and asks the exchange what comes next. */
  fail(code: ErrorCode): void {
    for (const [step, attempt] of [...this.#attempts]) {
      if (!this.#attempts.delete(step)) continue; // It was dropped with the one before.
      this.follow(this.#source.exchange.failed(attempt.abandon(code), step));
    }
  }

  /** The rest of the request can't be read; an attempt that is under way, or comes after a wait, fails with it. */
  break(code: ErrorCode): void {
    this.#broken = code;
    this.fail(code);
  }

  /** The client has gone: the exchange hears of it, and what is under way is dropped. */
  leave(): void {
    const [first] = this.#attempts;
    const [step, attempt] = first ?? [];
    const failure = attempt?.abandon('client_closed') ?? {
      code: 'client_closed',
      sent: 'nothing',
      connection: 'fresh',
    };
    this.end();
    this.#source.exchange.failed(failure, step);
  }

  /** Drops what is under way without a word. Repeated calls do nothing. */
  end(): void {
    this.#waiting?.end();
    this.#hedgeDelay.end();
    for (const attempt of this.#attempts.values()) attempt.cancel();
    this.#attempts.clear();
    this.#source.body.settle();
  }

  #wait(step: WaitStep): void {
    // The step's own time is within what is left of the whole.
    this.#listener.limit(0);
    this.#waiting = startWaiting(
      this.#context.wheel,
      step,
      this.#source.guard((how: 'ready' | 'timeout') => {
        this.follow(this.#source.exchange.waited(how));
      }),
    );
  }

  #try(step: AttemptStep): void {
    const refusal = this.#refusal(step);
    if (refusal !== undefined) {
      const { body, exchange } = this.#source;
      const sent = body.replay() === 'possible' ? 'nothing' : 'body';
      this.follow(exchange.failed({ code: refusal, sent, connection: 'fresh' }, step));
      return;
    }
    this.#listener.limit(step.timeouts.totalMs);
    if (step.hedgeAfterMs > 0) {
      this.#hedged = step;
      this.#hedgeDelay.set(step.hedgeAfterMs);
    }
    this.#attempts.set(step, this.#start(step));
  }

  #start(step: AttemptStep): Attempt {
    const { message, client, body, exchange, guard } = this.#source;
    const { head, response, socket } = message;
    const awaitsContinue = (): boolean => client.awaitsContinue();
    return startAttempt(this.#context, { head, body, awaitsContinue, response, socket }, step, {
      interim: guard((interim: ResponseHead) => {
        const fields = exchange.interim(interim);
        if (fields !== undefined) client.interim({ ...interim, fields });
      }),
      responded: guard((upstream: UpstreamResponse) => {
        this.#responded(upstream, step);
      }),
      switched: guard((connection: SwitchedConnection) => {
        this.#switched(connection, step);
      }),
      failed: guard((failure: AttemptFailure) => {
        this.#attempts.delete(step);
        this.follow(exchange.failed(failure, step));
      }),
    });
  }

  /** What can be told before anything is sent. CONNECT, and an upgrade behind which the parser stays, can't be carried out here. */
  #refusal(step: AttemptStep): ErrorCode | undefined {
    const { bodyBytes } = this.#context;
    const { body, message } = this.#source;
    const { head, early } = message;
    if (this.#broken !== undefined) return this.#broken;
    if (bodyBytes > 0 && head.body.kind === 'length' && head.body.bytes > bodyBytes)
      return 'content_too_large';
    const impossible = step.method === 'CONNECT' || (step.upgrade !== undefined && early === undefined);
    return impossible || body.replay() === 'impossible' ? 'internal' : undefined;
  }

  /** A second attempt beside the first, where all of the request is at hand. */
  #hedge(): void {
    const { message, body, exchange } = this.#source;
    if (this.#hedged === undefined || !this.#attempts.has(this.#hedged)) return;
    const whole = message.head.body.kind === 'none' || body.arrival() === 'whole';
    const step = whole && body.replay() === 'possible' ? exchange.hedge() : undefined;
    if (step !== undefined) this.#try(step);
  }

  #responded(upstream: UpstreamResponse, of: AttemptStep): void {
    const { body, exchange } = this.#source;
    const step = exchange.responded(upstream.head, of, body.replay() === 'possible' ? 'head' : 'body');
    const attempt = this.#attempts.get(of);
    this.#attempts.delete(of);
    if (step.kind === 'relay' && attempt !== undefined) {
      this.end();
      this.#listener.relay(step, upstream, { step: of, attempt });
    } else {
      attempt?.cancel();
      this.follow(step);
    }
  }

  #switched(connection: SwitchedConnection, of: AttemptStep): void {
    try {
      const step = this.#source.exchange.responded(connection.head, of, 'head');
      this.#attempts.delete(of);
      if (step.kind === 'relay') {
        this.end();
        this.#listener.tunnel(step, connection, of);
      } else {
        connection.socket.destroy();
        this.follow(step);
      }
    } catch (fault) {
      connection.socket.destroy();
      throw fault;
    }
  }
}
