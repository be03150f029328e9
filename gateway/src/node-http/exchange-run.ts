import type { ErrorCode } from '../exchange/errors.ts';
import type {
  AnswerStep,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  Exchanges,
  RelayStep,
} from '../exchange/seam.ts';
import type { EngineOptions } from '../listeners/engine.ts';
import type { Attempt, SwitchedConnection, UpstreamResponse } from './attempt.ts';
import { createClientSide, type ClientMessage, type ClientSide } from './client-side.ts';
import type { Relay } from './relay.ts';
import { createRequestBody, type RequestBody } from './request-body.ts';
import type { Persistence } from './response-writer.ts';
import { Search, type Guard, type SearchContext } from './search.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import { WheelTimer } from './wheel-timer.ts';

/** What all exchanges of an engine share. */
export interface RunContext extends SearchContext {
  readonly exchanges: Exchanges;
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
  #phase: 'searching' | 'relaying' | 'answering' | 'tunnelling' | 'over' = 'searching';
  #exchange: Exchange | undefined;
  #search: Search | undefined;
  /** The attempt whose response is relayed; its upload may still run. */
  #relayed: Attempt | undefined;
  /** How a cut response shows. */
  #cutBy: 'close' | 'reset' = 'close';
  #relay: Relay | undefined;
  #tunnel: Tunnel | undefined;
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(context: RunContext, message: ClientMessage, done: () => void) {
    this.#context = context;
    this.#message = message;
    this.#done = done;
    const { wheel, replayBytes, persistence } = context;
    const closed = this.#guard((how: 'complete' | 'left') => {
      this.#clientClosed(how);
    });
    this.#client = createClientSide(message, { persistence, closed, wheel });
    const taken = this.#guard((bytes: number) => {
      this.#requestTaken(bytes);
    });
    this.#body = createRequestBody({ source: message.request, replayBytes, taken });
    const expired = this.#guard(() => {
      if (this.#phase === 'searching') this.#search?.fail('deadline_exceeded');
      else if (this.#phase === 'relaying') this.#cut('deadline');
    });
    this.#deadline = new WheelTimer(wheel, expired);
  }

  start(): void {
    this.#guard(() => {
      const exchange = this.#context.exchanges.open(this.#message.head);
      this.#exchange = exchange;
      this.#search = this.#searchFor(exchange);
      this.#search.follow(exchange.begin());
    })();
  }

  persistence(): Persistence {
    return this.#client.persistence();
  }

  bodyBroken(code: ErrorCode): void {
    this.#guard(() => {
      this.#client.requestBroken();
      if (this.#phase === 'searching') this.#search?.break(code);
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
  readonly #guard: Guard =
    (work) =>
    (...values) => {
      try {
        work(...values);
      } catch (fault) {
        this.#context.onFault(fault);
        this.#giveUp();
      }
    };

  #giveUp(): void {
    if (this.#phase === 'over') return;
    try {
      const state = this.#client.state();
      if (state === 'gone') {
        this.#cut('client_closed');
      } else if (state === 'answered' || this.#phase === 'tunnelling') {
        this.#cut('shutdown');
      } else {
        this.#search?.end();
        this.#answer(this.#context.exchanges.refuse('internal', this.#message.head.client));
      }
    } catch (fault) {
      this.#context.onFault(fault);
      this.#client.cut('close');
      this.#end('shutdown');
    }
  }

  #searchFor(exchange: Exchange): Search {
    const source = {
      message: this.#message,
      client: this.#client,
      body: this.#body,
      exchange,
      guard: this.#guard,
    };
    return new Search(this.#context, source, {
      answer: (step) => {
        this.#answer(step);
      },
      relay: (step, upstream, { step: { timeouts }, attempt }) => {
        this.#relayed = attempt;
        this.#startRelay(step, upstream, timeouts.idleMs);
      },
      tunnel: (step, connection, by) => {
        this.#openTunnel(step, connection, by);
      },
      finish: () => {
        this.#cut('client_closed');
      },
      limit: (totalMs) => {
        if (totalMs > 0) this.#deadline.set(totalMs);
        else this.#deadline.end();
      },
    });
  }

  #requestTaken(bytes: number): void {
    const { bodyBytes } = this.#context;
    this.#requestBytes += bytes;
    if (bodyBytes > 0 && this.#requestBytes > bodyBytes) this.bodyBroken('content_too_large');
    else this.#relay?.touch();
  }

  #answer(step: AnswerStep): void {
    this.#phase = 'answering';
    this.#deadline.end();
    this.#responseBytes += this.#client.answer(step);
  }

  #startRelay(step: RelayStep, upstream: UpstreamResponse, idleMs: number): void {
    this.#phase = 'relaying';
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
          this.#cut('response_incomplete');
        }),
        stuck: this.#guard((waitingFor: 'client' | 'instance') => {
          this.#cut(waitingFor === 'client' ? 'client_closed' : 'response_incomplete');
        }),
      },
    });
  }

  #openTunnel(step: RelayStep, connection: SwitchedConnection, { upgrade, timeouts }: AttemptStep): void {
    this.#phase = 'tunnelling';
    this.#deadline.end();
    const early = this.#client.switchTo(step, upgrade ?? '');
    const { socket, first, instance } = connection;
    const { wheel, departsInMs } = this.#context;
    this.#tunnel = openTunnel(this.#message.socket, socket, {
      idleMs: timeouts.idleMs,
      early,
      first,
      wheel,
      instance,
      ended: this.#guard((end: ExchangeEnd) => {
        this.#requestBytes = end.requestBytes;
        this.#responseBytes = end.responseBytes;
        this.#end(end.kind);
      }),
    });
    const inMs = departsInMs();
    if (inMs !== undefined) this.#tunnel.leaveAfter(inMs);
  }

  #clientClosed(how: 'complete' | 'left'): void {
    // A tunnel hears of it by itself.
    if (this.#phase === 'over' || this.#phase === 'tunnelling') return;
    if (how === 'complete') {
      this.#end('complete');
      return;
    }
    if (this.#phase === 'searching') this.#search?.leave();
    this.#cut('client_closed');
  }

  #cut(kind: ExchangeEnd['kind']): void {
    if (this.#phase === 'over') return;
    this.#search?.end();
    this.#relayed?.cancel();
    if (this.#tunnel !== undefined) {
      this.#tunnel.cut(kind);
    } else {
      this.#client.cut(this.#cutBy);
      this.#end(kind);
    }
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#search?.end();
    this.#deadline.end();
    this.#client.release();
    this.#relay?.stop();
    try {
      this.#exchange?.ended({ kind, requestBytes: this.#requestBytes, responseBytes: this.#responseBytes });
    } finally {
      this.#done();
    }
  }
}
