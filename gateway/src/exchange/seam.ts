import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { FieldLines } from '../http/field-lines.ts';
import type { ClientFacts, RequestHead, ResponseHead } from '../http/message.ts';
import type { AttemptTimeouts } from '../routing/policy.ts';
import type { ErrorCode } from './errors.ts';

/**
 * The seam between the exchange, which decides, and an engine, which moves bytes. Small, synchronous, made of values; no
 * promise and no closure per request is needed to cross it. An engine knows sockets; it knows no routes, balancers or registries.
 */

/**
 * Sees or changes the content of one body while it passes. Framing is taken off before and written anew after it. Synchronous; a
 * throw is a mistake of the gateway and ends the exchange. Off the fast path: a body without one is never cut into buffers for it.
 */
export interface BodyTransform {
  /**
   * `same`: as many bytes come out as go in, so that an announced length stands. `changed`: the length is not known beforehand; the
   * body is sent in chunks, or up to the end of the connection to an HTTP/1.0 client.
   */
  readonly length: 'same' | 'changed';
  /** Content bytes in their order, valid during the call only. Returns what goes on instead; an empty buffer when nothing does yet. */
  push(bytes: Buffer): Buffer;
  /** The body has ended as announced: what is still to go on. Called once, after the last `push`; never for a body that was cut. */
  end(): Buffer;
}

/** The run's side of a running attempt. */
export interface AttemptDriver {
  /** The exchange gives the attempt up: its connection is reset. Must not call the exchange. */
  abandon(): void;
}

/** Try this endpoint. */
export interface AttemptStep {
  readonly kind: 'attempt';
  readonly endpoint: Endpoint;
  readonly method: string;
  /** Origin-form (or `*`) to send. */
  readonly target: string;
  /** Everything to send but framing and `Connection`, which the engine writes from `RequestHead.body` and `upgrade`. */
  readonly fields: FieldLines;
  /** The single protocol to ask for, when this is an upgrade. */
  readonly upgrade: string | undefined;
  readonly timeouts: AttemptTimeouts;
  /** `fresh`: open a new connection, because a reused one just failed. */
  readonly connection: 'any' | 'fresh';
  /**
   * The identity that must be given on a new connection before anything is sent on it (`identityQuestion` of the SDK);
   * `wrong_instance` otherwise. Undefined: the instance gives none.
   */
  readonly identity: string | undefined;
  /** When no final head has come so long after the start: ask {@link Exchange.hedge} once. 0: never. */
  readonly hedgeAfterMs: number;
  /**
   * For the request body; undefined: it passes as it is. The same object in every attempt of an exchange: each byte of the client goes
   * through it once, and what is kept to be sent again is what came out of it.
   */
  readonly transform?: BodyTransform | undefined;
  /**
   * May be set by the run when it starts the attempt, so that it need not keep a list of its own: the exchange calls `abandon` when
   * it gives the attempt up (another one was faster, the client has left, the exchange is over). Never after the run has reported
   * the attempt as failed, or has been told to relay its response.
   */
  driver?: AttemptDriver | undefined;
}

/**
 * Try again later: an endpoint has to become free, or a pause to pass. The engine holds the client (and reads no more of its body
 * than it would buffer), then calls {@link Exchange.waited}; should the client leave, `failed` with `client_closed` as always.
 */
export interface WaitStep {
  readonly kind: 'wait';
  /** How long to wait at most: `waited('timeout')` after it. */
  readonly timeoutMs: number;
  /** To be set by the engine before it returns: called at most once, never from within a call of the engine's own. */
  readonly ticket: WaitTicket | undefined;
}

/** The engine's end of a place in a queue. */
export interface WaitTicket {
  /** Called when there is a lease; the engine then calls `waited('ready')`, from a fresh stack. */
  ready: () => void;
}

/** The other one of two hedged attempts goes on. */
export interface PendingStep {
  readonly kind: 'pending';
  /** The step of the attempt that goes on. */
  readonly of: AttemptStep;
}

/** Answer the client from here: a refusal, a redirect, an error of the closed table. */
export interface AnswerStep {
  readonly kind: 'answer';
  readonly status: number;
  /** Everything but framing, `Date` and `Connection`. */
  readonly fields: FieldLines;
  /** Sent with its length, or only its length for HEAD. */
  readonly body: string;
  /** `close`: the client connection may hold bytes that were not understood, or the gateway is leaving. */
  readonly connection: 'keep' | 'close';
}

/** Pass the response on. */
export interface RelayStep {
  readonly kind: 'relay';
  readonly status: number;
  readonly reason: string;
  /** Everything to send but framing and `Connection`. */
  readonly fields: FieldLines;
  readonly connection: 'keep' | 'close';
  /** For the response body (not for a tunnel); undefined: it passes as it is. */
  readonly transform?: BodyTransform | undefined;
  /**
   * Called with the trailers of the response once its body has ended (empty when there are none); returns those that go on, to a
   * client that takes trailers. Undefined: they pass as they are. Forbidden ones (RFC 9110 §6.5.1) are left out in any case.
   */
  readonly trailers?: ((fields: FieldLines) => FieldLines) | undefined;
}

/** Nothing is left to say to the client: it has gone. */
export interface FinishStep {
  readonly kind: 'finish';
}

export type Step = AttemptStep | WaitStep | PendingStep | AnswerStep | RelayStep | FinishStep;

/** An attempt that ended before a final response head. */
export interface AttemptFailure {
  readonly code: ErrorCode;
  /**
   * How far the request had got. `nothing`: no byte of it can have reached the instance. `head`: some may have, and the engine can
   * send all of it again (no body, none taken from the client yet, or all that was taken is kept, see `EngineOptions.replayBytes`).
   * `body`: body bytes have been consumed; it can't be replayed.
   */
  readonly sent: 'nothing' | 'head' | 'body';
  /** Whether the connection had served an earlier exchange. */
  readonly connection: 'fresh' | 'reused';
  /** A sentence about what was wrong, for the log. Clients get nothing of it. */
  readonly detail?: string;
}

/** How an exchange ended on the client's side. Byte counts are of bodies (or tunnel payload) only. */
export interface ExchangeEnd {
  /**
   * `complete`: the client got a whole response. `client_closed`: it left before. `response_incomplete`: the instance broke off
   * and the client connection was cut so that it shows. `deadline`: `totalMs` was over in the middle of the response, the same.
   * `shutdown`: the gateway's drain deadline cut it.
   */
  readonly kind: 'complete' | 'client_closed' | 'response_incomplete' | 'deadline' | 'shutdown';
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Of an incomplete response: the client had not sent all of its request by then. */
  readonly uploading?: true;
}

/** One client request and its response, start to finish. The engine calls in this order and acts on what it gets back. */
export interface Exchange {
  /** Once, first: `attempt`, `wait` or `answer`. */
  begin(): Step;
  /** After a `wait`: `attempt`, `wait` or `answer`. */
  waited(how: 'ready' | 'timeout'): Step;
  /** `hedgeAfterMs` is over: a second attempt to run beside the first, or undefined. The first final head of the two counts. */
  hedge(): AttemptStep | undefined;
  /**
   * The endpoint of a running attempt is silent, and `sent` says how far the request had got: an attempt on another endpoint, to run
   * beside it when the request is safe, else in its place (it is given up then, see {@link AttemptDriver}); or undefined. May be called
   * again.
   */
  leave(of: AttemptStep, sent: AttemptFailure['sent']): AttemptStep | undefined;
  /** A 1xx head other than 101: the fields to pass on, or undefined to drop it. Never changes the course of the exchange. */
  interim(head: ResponseHead): FieldLines | undefined;
  /**
   * A final head (or 101) of the attempt `of`: `relay` (another attempt still under way is dropped by the engine without a word),
   * or `attempt`/`wait`/`pending`/`answer` when it can't be passed on; the engine then drops that connection (with `answer`, every
   * one). `sent`: whether the engine could send all of the request again, as in {@link AttemptFailure.sent}; when it doesn't say,
   * only a request without a body can be.
   */
  responded(head: ResponseHead, of: AttemptStep, sent?: 'head' | 'body'): Step;
  /**
   * The attempt `of` failed before a final head: `attempt` elsewhere, `wait`, `pending` while a hedged one goes on, `answer`, or
   * `finish` for a client that has gone (`client_closed` is about the exchange: the engine has dropped every attempt, or was
   * waiting; `of` is then undefined when nothing was under way).
   */
  failed(failure: AttemptFailure, of: AttemptStep | undefined): Step;
  /** Exactly once, last, whatever happened: the lease is released, the access log and the metrics are written. */
  ended(end: ExchangeEnd): void;
}

/** What an engine calls for each message it could or couldn't read. */
export interface Exchanges {
  open(head: RequestHead): Exchange;
  /**
   * A message with no usable head: what to answer. It is logged and counted; the connection is closed after it. `detail`: a sentence
   * for client and log.
   */
  refuse(code: ErrorCode, client: ClientFacts, detail?: string): AnswerStep;
}
