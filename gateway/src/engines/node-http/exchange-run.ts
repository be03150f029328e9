import type { ErrorCode } from '../../exchange/errors.ts';
import type {
  AnswerStep,
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
  type AttemptSource,
  type SwitchedConnection,
  type UpstreamResponse,
} from './attempt.ts';
import type { EarlyBytes } from './early-bytes.ts';
import { startRelay, type Relay } from './relay.ts';
import {
  writeAnswer,
  writeInterim,
  writeRelayHead,
  writeSwitch,
  type Persistence,
} from './response-writer.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

/** How long a client may take to accept an answer of the gateway's own. */
const answerMs = 10_000;

/** An unread request body of at most this length is read and dropped, so that its connection can go on. */
const drainableBytes = 64 * 1024;

/** A request that has arrived, with what its exchange needs of the client's side. */
export interface ClientMessage extends AttemptSource {
  /** Only for messages behind which the parser has left the connection (upgrades, CONNECT). */
  readonly early: EarlyBytes | undefined;
  /** `close`: another request can't follow it on its connection. */
  readonly persistence: Persistence;
}

/** What all exchanges of an engine share. */
export interface RunContext extends AttemptContext {
  readonly exchanges: Exchanges;
  /** 0 for no limit. */
  readonly bodyBytes: number;
  readonly onFault: EngineOptions['onFault'];
  /** `close` once the engine discourages its clients. */
  persistence(): Persistence;
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
 * An exchange, driven over the seam: `start` opens it; from then on it acts on its steps, moves its bytes, tells
 * it exactly once how it ended, and then calls `done`. A mistake of our own ends this one exchange with a 500 or a cut, is reported to `onFault`, and harms no other.
 */
export function createExchangeRun(
  context: RunContext,
  message: ClientMessage,
  done: () => void,
): ExchangeRun {
  return new Run(context, message, done);
}

type Phase = 'attempting' | 'relaying' | 'answering' | 'tunnelling' | 'over';

class Run implements ExchangeRun {
  readonly #context: RunContext;
  readonly #message: ClientMessage;
  readonly #done: () => void;
  #phase: Phase = 'attempting';
  #exchange: Exchange | undefined;
  #attempt: Attempt | undefined;
  #relay: Relay | undefined;
  #tunnel: Tunnel | undefined;
  #answerTimer: NodeJS.Timeout | undefined;
  #persistence: Persistence = 'keep';
  #body: 'sound' | 'broken' = 'sound';
  /** Whether the last byte of the response has reached the kernel. */
  #response: 'pending' | 'flushed' = 'pending';
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(context: RunContext, message: ClientMessage, done: () => void) {
    this.#context = context;
    this.#message = message;
    this.#done = done;
    const { response, socket } = message;
    response.on('error', () => undefined); // Told by `close`.
    response.prependListener('finish', () => {
      if (!socket.destroyed) this.#response = 'flushed';
    });
    response.on('close', () => {
      this.#act(() => {
        this.#responseClosed();
      });
    });
  }

  start(): void {
    this.#act(() => {
      this.#exchange = this.#context.exchanges.open(this.#message.head);
      this.#follow(this.#exchange.begin());
    });
  }

  persistence(): Persistence {
    return this.#persistence;
  }

  bodyBroken(code: ErrorCode): void {
    this.#act(() => {
      this.#body = 'broken';
      if (this.#phase === 'attempting') this.#fail(code);
      else if (this.#phase === 'relaying') this.#cut('client_closed');
    });
  }

  cut(kind: 'shutdown'): void {
    this.#act(() => {
      this.#cut(kind);
    });
  }

  /** The one funnel for our own mistakes: whatever happens in an exchange happens within it. */
  #act(work: () => void): void {
    try {
      work();
    } catch (fault) {
      this.#context.onFault(fault);
      this.#giveUp();
    }
  }

  #giveUp(): void {
    const { head, response } = this.#message;
    if (this.#phase === 'over') return;
    try {
      if (this.#message.socket.destroyed) this.#cut('client_closed');
      else if (this.#phase === 'tunnelling' || response.headersSent) this.#cut('shutdown');
      else {
        this.#attempt?.cancel();
        this.#answer({ ...this.#context.exchanges.refuse('internal', head.client), connection: 'close' });
      }
    } catch (fault) {
      this.#context.onFault(fault);
      this.#message.socket.destroy();
      this.#end('shutdown');
    }
  }

  #follow(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#try(step);
        return;
      case 'answer':
        this.#answer(step);
        return;
      case 'finish':
        this.#cut('client_closed');
        return;
      case 'relay':
        throw new Error('a relay step where there is no response');
    }
  }

  #try(step: AttemptStep): void {
    const refusal = this.#refusal(step);
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    const act =
      <T>(work: (value: T) => void) =>
      (value: T): void => {
        this.#act(() => {
          work(value);
        });
      };
    this.#attempt = startAttempt(this.#context, this.#message, step, {
      interim: act((head) => {
        this.#interim(head);
      }),
      requestBytes: act((bytes) => {
        this.#requestTaken(bytes);
      }),
      responded: act((response) => {
        this.#responded(response, step);
      }),
      switched: act((connection) => {
        this.#switched(connection, step);
      }),
      failed: act((failure) => {
        this.#attempt = undefined;
        this.#follow(this.#opened().failed(failure));
      }),
    });
  }

  /** What can be told before anything is sent. CONNECT, and an upgrade that the parser hasn't left, can't be carried out here. */
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
    const failure: AttemptFailure = {
      code,
      sent: this.#attempt?.sent() ?? 'nothing',
      connection: this.#attempt?.connection() ?? 'fresh',
    };
    this.#attempt?.cancel();
    this.#attempt = undefined;
    this.#follow(this.#opened().failed(failure));
  }

  #interim(interim: ResponseHead): void {
    const { head, response, socket } = this.#message;
    const fields = this.#opened().interim(interim);
    if (fields === undefined || head.version === '1.0') return;
    // RFC 9110 §15.2.1: a 100 that nobody waits for means nothing.
    if (interim.status === 100 && response.req.headers.expect === undefined) return;
    writeInterim(response, socket, { ...interim, fields });
  }

  #requestTaken(bytes: number): void {
    const { bodyBytes } = this.#context;
    this.#requestBytes += bytes;
    if (bodyBytes > 0 && this.#requestBytes > bodyBytes) this.bodyBroken('content_too_large');
    else this.#relay?.touch();
  }

  #responded(upstream: UpstreamResponse, attempt: AttemptStep): void {
    const step = this.#opened().responded(upstream.head);
    if (step.kind === 'relay') {
      this.#startRelay(step, upstream, attempt.timeouts.idleMs);
      return;
    }
    this.#attempt?.cancel();
    this.#attempt = undefined;
    this.#follow(step);
  }

  #startRelay(step: RelayStep, { framing, message }: UpstreamResponse, idleMs: number): void {
    const { head: form, response } = this.#message;
    this.#phase = 'relaying';
    // R35: a connection whose request may stay unread is not used again, and the client is told now.
    const unread = this.#attempt?.upload() === 'running';
    writeRelayHead(response, step, framing, { form, persistence: this.#persist(step.connection, unread) });
    this.#persistence = response.shouldKeepAlive ? 'keep' : 'close';
    this.#relay = startRelay(message, response, {
      framing,
      idleMs,
      listener: {
        bytes: (count) => {
          this.#responseBytes += count;
        },
        delivered: () => {
          // The answer is complete without the rest of the upload, which nobody wants any more.
          if (this.#attempt?.upload() === 'running') this.#attempt.cancel();
        },
        broken: () => {
          this.#act(() => {
            const closeDelimited = framing.kind !== 'length' && form.version === '1.0';
            this.#cut('response_incomplete', closeDelimited ? 'reset' : 'close');
          });
        },
        stuck: (waitingFor) => {
          this.#act(() => {
            this.#cut(waitingFor === 'client' ? 'client_closed' : 'response_incomplete');
          });
        },
      },
    });
  }

  #answer(step: AnswerStep): void {
    const { head, request, response, socket } = this.#message;
    this.#phase = 'answering';
    const { body } = head;
    const drainable = body.kind === 'length' && body.bytes <= drainableBytes;
    const unread = body.kind !== 'none' && !request.complete && !drainable;
    this.#responseBytes += writeAnswer(response, step, head, this.#persist(step.connection, unread));
    this.#persistence = response.shouldKeepAlive ? 'keep' : 'close';
    request.resume();
    this.#answerTimer = setTimeout(() => {
      socket.destroy();
    }, answerMs);
  }

  #persist(wanted: Persistence, unread: boolean): Persistence {
    if (unread || this.#body === 'broken' || this.#message.persistence === 'close') return 'close';
    return wanted === 'close' ? 'close' : this.#context.persistence();
  }

  #switched({ head, socket: upstream, first }: SwitchedConnection, attempt: AttemptStep): void {
    const { early, socket } = this.#message;
    try {
      const step = this.#opened().responded(head);
      if (step.kind !== 'relay') {
        upstream.destroy();
        this.#follow(step);
        return;
      }
      this.#phase = 'tunnelling';
      this.#persistence = 'close';
      writeSwitch(socket, step, attempt.upgrade ?? '');
      const { idleMs } = attempt.timeouts;
      const ended = (end: ExchangeEnd): void => {
        this.#act(() => {
          this.#requestBytes = end.requestBytes;
          this.#responseBytes = end.responseBytes;
          this.#end(end.kind);
        });
      };
      this.#tunnel = openTunnel(socket, upstream, { idleMs, early: early?.take() ?? [], first, ended });
    } catch (fault) {
      upstream.destroy();
      throw fault;
    }
  }

  /** The response is through, or its connection is closed. */
  #responseClosed(): void {
    if (this.#phase === 'over' || this.#phase === 'tunnelling') return;
    if (this.#response === 'flushed') {
      this.#end('complete');
      return;
    }
    const attempt = this.#attempt;
    if (this.#phase === 'attempting' && attempt !== undefined) {
      const failure: AttemptFailure = {
        code: 'client_closed',
        sent: attempt.sent(),
        connection: attempt.connection(),
      };
      attempt.cancel();
      this.#opened().failed(failure);
    }
    this.#cut('client_closed');
  }

  #cut(kind: ExchangeEnd['kind'], how: 'close' | 'reset' = 'close'): void {
    if (this.#phase === 'over') return;
    this.#attempt?.cancel();
    if (this.#tunnel !== undefined) {
      this.#tunnel.cut(kind);
      return;
    }
    const { socket } = this.#message;
    if (how === 'reset') socket.resetAndDestroy();
    else socket.destroy();
    this.#end(kind);
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    clearTimeout(this.#answerTimer);
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
