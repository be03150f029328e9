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
import type { Persistence } from './response-writer.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

/** What all exchanges of an engine share. */
export interface RunContext extends AttemptContext {
  readonly exchanges: Exchanges;
  /** 0 for no limit. */
  readonly bodyBytes: number;
  readonly onFault: EngineOptions['onFault'];
  /** `close` once the engine discourages its clients. */
  readonly persistence: () => Persistence;
}

/** An exchange on its way. */
export interface ExchangeRun {
  /** Once, first. */
  start(): void;
  /** Whether the client connection goes on after the response; `keep` as long as its head is not written. */
  persistence(): Persistence;
  /** The request's body can't be read to its end. */
  bodyBroken(code: ErrorCode): void;
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
  #phase: 'attempting' | 'relaying' | 'answering' | 'tunnelling' | 'over' = 'attempting';
  #exchange: Exchange | undefined;
  #attempt: Attempt | undefined;
  #step: AttemptStep | undefined;
  #relay: Relay | undefined;
  #tunnel: Tunnel | undefined;
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(context: RunContext, message: ClientMessage, done: () => void) {
    this.#context = context;
    this.#message = message;
    this.#done = done;
    this.#client = createClientSide(message, {
      persistence: context.persistence,
      closed: this.#guard((how) => {
        this.#clientClosed(how);
      }),
    });
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
      if (this.#phase === 'attempting') this.#fail(code);
      else if (this.#phase === 'relaying') this.#cut('client_closed');
    })();
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
      else {
        this.#attempt?.cancel();
        this.#follow(this.#context.exchanges.refuse('internal', this.#message.head.client));
      }
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
      case 'answer':
        this.#phase = 'answering';
        this.#responseBytes += this.#client.answer(step);
        return;
      case 'finish':
        this.#cut('client_closed');
        return;
      case 'wait':
      case 'pending':
      case 'relay':
        throw new Error(`a step that has no place here: ${step.kind}`);
    }
  }

  #try(step: AttemptStep): void {
    this.#step = step;
    const refusal = this.#refusal(step);
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    this.#attempt = startAttempt(this.#context, this.#message, step, {
      interim: this.#guard((head: ResponseHead) => {
        const fields = this.#opened().interim(head);
        if (fields !== undefined) this.#client.interim({ ...head, fields });
      }),
      requestBytes: this.#guard((bytes: number) => {
        this.#requestTaken(bytes);
      }),
      responded: this.#guard((response: UpstreamResponse) => {
        this.#responded(response, step);
      }),
      switched: this.#guard((connection: SwitchedConnection) => {
        this.#switched(connection, step);
      }),
      failed: this.#guard((failure: AttemptFailure) => {
        this.#attempt = undefined;
        this.#follow(this.#opened().failed(failure, step));
      }),
    });
  }

  /** What can be told before anything is sent. CONNECT, and an upgrade behind which the parser stays, can't be carried out here. */
  #refusal(step: AttemptStep): ErrorCode | undefined {
    const { bodyBytes } = this.#context;
    const { head, early } = this.#message;
    if (bodyBytes > 0 && head.body.kind === 'length' && head.body.bytes > bodyBytes)
      return 'content_too_large';
    if (step.method === 'CONNECT' || (step.upgrade !== undefined && early === undefined)) return 'internal';
    return undefined;
  }

  /** Ends the attempt at hand, where there is one, and asks the exchange what comes next. */
  #fail(code: ErrorCode): void {
    this.#follow(this.#opened().failed(this.#abandon(code), this.#step));
  }

  #abandon(code: ErrorCode): AttemptFailure {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const sent = attempt?.sent() ?? 'nothing';
    attempt?.cancel();
    return { code, sent, connection: attempt?.connection() ?? 'fresh' };
  }

  #requestTaken(bytes: number): void {
    const { bodyBytes } = this.#context;
    this.#requestBytes += bytes;
    if (bodyBytes > 0 && this.#requestBytes > bodyBytes) this.bodyBroken('content_too_large');
    else this.#relay?.touch();
  }

  #responded(upstream: UpstreamResponse, attempt: AttemptStep): void {
    const step = this.#opened().responded(upstream.head, attempt);
    if (step.kind === 'relay') this.#startRelay(step, upstream, attempt);
    else {
      this.#abandon('internal');
      this.#follow(step);
    }
  }

  #startRelay(step: RelayStep, upstream: UpstreamResponse, { timeouts: { idleMs } }: AttemptStep): void {
    this.#phase = 'relaying';
    // With an end that only the connection's end tells, an early one would look like it.
    const untold = upstream.framing.kind !== 'length' && this.#message.head.version === '1.0';
    this.#relay = this.#client.relay(step, upstream, {
      upload: this.#attempt?.upload() ?? 'done',
      idleMs,
      listener: {
        bytes: (count) => {
          this.#responseBytes += count;
        },
        delivered: () => {
          // The answer is complete without the rest of the upload, which nobody wants any more.
          if (this.#attempt?.upload() === 'running') this.#attempt.cancel();
        },
        broken: this.#guard(() => {
          this.#cut('response_incomplete', untold ? 'reset' : 'close');
        }),
        stuck: this.#guard((waitingFor) => {
          this.#cut(waitingFor === 'client' ? 'client_closed' : 'response_incomplete');
        }),
      },
    });
  }

  #switched({ head, socket: upstream, first }: SwitchedConnection, attempt: AttemptStep): void {
    try {
      const step = this.#opened().responded(head, attempt);
      if (step.kind !== 'relay') {
        upstream.destroy();
        this.#follow(step);
        return;
      }
      this.#phase = 'tunnelling';
      const early = this.#client.switchTo(step, attempt.upgrade ?? '');
      const ended = this.#guard((end: ExchangeEnd) => {
        this.#requestBytes = end.requestBytes;
        this.#responseBytes = end.responseBytes;
        this.#end(end.kind);
      });
      const { idleMs } = attempt.timeouts;
      this.#tunnel = openTunnel(this.#message.socket, upstream, { idleMs, early, first, ended });
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
    if (this.#attempt !== undefined && this.#phase === 'attempting')
      this.#opened().failed(this.#abandon('client_closed'), this.#step);
    this.#cut('client_closed');
  }

  #cut(kind: ExchangeEnd['kind'], how: 'close' | 'reset' = 'close'): void {
    if (this.#phase === 'over') return;
    this.#attempt?.cancel();
    if (this.#tunnel !== undefined) this.#tunnel.cut(kind);
    else {
      this.#client.cut(how);
      this.#end(kind);
    }
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
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
