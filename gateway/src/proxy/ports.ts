import type { ErrorCode } from '../exchange/errors.ts';
import type { AnswerStep, AttemptStep, RelayStep } from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import type { FieldLines } from '../http/field-lines.ts';
import type { ResponseFraming } from '../http/framing.ts';
import type { ClientFacts, RequestHead, ResponseHead } from '../http/message.ts';
import type { ReadBuffer } from '../sockets/read-buffer.ts';
import type { Timeout } from '../sockets/timeout-wheel.ts';

/**
 * The two interfaces that the run stands on: {@link ClientPort}, what talks to the client about one exchange at a time, and
 * {@link InstancePort}, what talks to an instance about one attempt. HTTP/1.1 over sockets and the `http-proxy` package implement
 * them; HTTP/2 streams are to be a third pair. Every call and callback is synchronous.
 */

/** Whether the receiving side takes more bytes; after `full` it says when it does (`clientDrained`, `instanceDrained`). */
export type Flow = 'flowing' | 'full';

/** `plain`: an ordinary end. `reset`: the peer must not take what it got for a whole message. */
export type CutBy = 'plain' | 'reset';

/**
 * What a receiver wants to be given of a chunked body. `framed`: chunk size lines may be part of the pieces, for an output that is
 * chunked as well. `content`: content bytes only.
 */
export type BodyForm = 'framed' | 'content';

/** A request head with what it says about its connection. */
export interface AcceptedRequest extends RequestHead {
  /** Whether the client connection may serve another request. */
  readonly persistence: Persistence;
  /** Whether the client takes trailers. */
  readonly wantsTrailers: boolean;
  /** Whether the client waits for a 100 before it sends the body. */
  readonly expectation: 'none' | 'continue';
  /** Request line and field lines together. */
  readonly headBytes: number;
}

/** A response head, interim ones included, with its framing settled and what it says about its connection. */
export interface InstanceResponse extends ResponseHead {
  readonly body: ResponseFraming;
}

/** How far a body has been read. */
export interface BodyProgress {
  readonly state: 'more' | 'done' | 'faulty';
  /** Content bytes so far, without framing. */
  readonly contentBytes: number;
  /** Content bytes still to come of a body of known length; undefined for any other. */
  readonly leftBytes: number | undefined;
}

/** A request body that the client port reads. */
export interface RequestBody extends BodyProgress {
  /** Before the first piece: its pieces hold content only, for a transform. */
  contentOnly(): void;
}

/** What one read has brought of a body. Valid during the call. */
export interface BodyPiece extends BodyProgress {
  readonly bytes: Buffer;
  /** from, to, from, to … in `bytes`: what goes on. */
  readonly spans: readonly number[];
  /** What to write before span `index` (0, 1 …): a chunk size line in `framed` form, mostly nothing. */
  prefix(index: number): string;
  readonly form: BodyForm;
  /** Of a chunked body, once it is `done`. */
  readonly trailers: FieldLines;
  /** What `bytes` were read into and may be overwritten in; undefined when the receiver may keep `bytes`. */
  readonly source: ReadBuffer | undefined;
  /** Whether more is to come than is worth copying. */
  readonly expectsLarge: boolean;
}

/** What the run has from the client, and how it controls the client's connection. Lives as long as the run or longer. */
export interface ClientPort {
  readonly facts: ClientFacts;
  /** `ended`: the client has sent all it will send. */
  readonly input: 'open' | 'ended';
  /** Whether bytes of the client wait that the run has not taken. */
  readonly ahead: boolean;
  /** The whole request body, latin1, when it is short and came with the head; else empty. */
  readonly smallBody: string;
  /** The progress of the request body; undefined when there is none or it is {@link smallBody}. */
  readonly body: RequestBody | undefined;
  /** Runs while the client is waited for; `clientTimedOut` when it expires. */
  readonly timeout: Timeout;
  /** All bytes that the client has sent and taken. */
  readonly movedBytes: number;
  readonly response: ResponseWriter;
  /** Takes no more bytes from the client's connection for now. */
  pause(): void;
  /** Delivers what waits, as far as the run takes it, and reads on. */
  resume(): void;
  /** The exchange is over. `keep`: the next request may come. `close`: the connection ends after what was written (R34). */
  done(persistence: Persistence): void;
  /** The exchange is over and the connection ends after what was written. */
  close(): void;
  /** Ends the connection at once. The run hears nothing more of it. */
  destroy(how: CutBy): void;
}

/** Writes one response. Field lines are written as they are given; framing and `Connection` are the writer's. */
export interface ResponseWriter {
  /** An interim response (1xx, not 101). */
  interim(head: ResponseHead): void;
  /** A whole answer of the gateway's own. Returns the bytes of its body that were written. */
  answer(step: AnswerStep, persistence: Persistence): number;
  /** Prepares a relayed response; its head leaves with the first {@link send}. Returns what form its pieces may have. */
  begin(step: RelayStep, response: InstanceResponse, persistence: Persistence): BodyForm;
  /** Writes a piece of the body, behind the head when it is the first; with a `done` piece the response is complete. */
  send(piece: BodyPiece): Flow;
  /** Writes the head of a response whose body broke off before its first piece. */
  flushHead(): void;
  /** After {@link begin}: what the response tells the client about the connection. */
  readonly persistence: Persistence;
  /** After {@link begin}: how the connection has to end in the middle of the body, so that it can't look complete (R38). */
  readonly cutBy: CutBy;
  /** The 101 of an agreed upgrade; from then on `sendRaw` and `endRaw` are used. */
  switchProtocols(step: RelayStep, protocol: string): void;
  /** Bytes of the new protocol. They may be overwritten afterwards. */
  sendRaw(bytes: Buffer): Flow;
  endRaw(): void;
}

/** What the client port tells the run. */
export interface ClientHandler {
  /** What the run takes at the moment; everything else waits at the port. `body` only while the body is not done. */
  readonly takes: 'nothing' | 'body' | 'raw';
  clientBody(piece: BodyPiece): void;
  /** Bytes of a new protocol, valid during the call. */
  clientRaw(bytes: Buffer, from: number, to: number): void;
  /** The client takes bytes again, after `full`. */
  clientDrained(): void;
  /** The client has sent all it will send. */
  clientEnded(): void;
  /** {@link ClientPort.timeout} has expired. */
  clientTimedOut(): void;
  /** The connection is gone, or the rest of the request can't be read for `code`. */
  clientGone(): void;
  clientBroken(code: ErrorCode): void;
}

/** Opens instance ports; owns nothing per exchange. */
export interface InstanceConnector {
  /**
   * An idle connection to the step's endpoint, or a new one that is being opened, identity question included. An error code when
   * there can be none: an impossible address, the gateway has stopped, or its connections are all in use.
   */
  open(step: AttemptStep, request: AcceptedRequest, handler: InstanceHandler): InstancePort | ErrorCode;
}

/** One attempt's connection to an instance. Ended by `release`, `finish`, `destroy` or `reset`; after each the handler hears nothing more. */
export interface InstancePort {
  /** Who hears of it; the relay or tunnel takes over from the attempt. */
  handler: InstanceHandler;
  /** Whether a request can be sent now; else `instanceReady` tells. */
  readonly ready: boolean;
  readonly connection: 'fresh' | 'reused';
  /** Whether part of a response head has come. */
  readonly partialHead: boolean;
  /** Whether the instance is expected to go: it drains, or is not registered any more. */
  readonly leaving: boolean;
  /** Whether it takes more bytes. */
  readonly flow: Flow;
  /** Whether the connection may serve another request after the final head that has come. */
  readonly persistence: Persistence;
  /** Whether the instance has closed the connection on a request that was being sent. What it had sent before still comes. */
  readonly refusing: boolean;
  /** Runs while the instance is waited for; `instanceTimedOut` when it expires. */
  readonly timeout: Timeout;
  /** Sends the head and what there is of the body: latin1, in the given form. `complete`: the body is whole with it. */
  request(body: string, form: BodyForm, complete: boolean): void;
  /**
   * Sends a piece of the body; with a `done` piece the request is complete. `kept`: a copy of its bytes, when there is one that is kept;
   * it must not be changed.
   */
  send(piece: BodyPiece, kept: Buffer | undefined): Flow;
  /** Whether everything that was sent has left; if not, `instanceDrained` tells when. */
  flush(): boolean;
  /** After a final head: delivers the body, beginning within this call with what is there. */
  receive(form: BodyForm): void;
  /** After a 101: delivers bytes of the new protocol, beginning within this call with what is there. */
  receiveRaw(): void;
  sendRaw(bytes: Buffer): Flow;
  endRaw(): void;
  pause(): void;
  resume(): void;
  /** Both messages are complete as far as the run knows (`reusable`): it goes back to its pool, or is closed. */
  release(reusable: boolean): void;
  /** Ends it in order: what is on its way gets a moment to arrive. */
  finish(): void;
  destroy(): void;
  /** As `destroy`, but the instance must not take what it got for a whole request. */
  reset(): void;
}

/** What an instance port tells its handler. */
export interface InstanceHandler {
  instanceReady(): void;
  /** An interim or the final head. After the final one: `receive`, `receiveRaw` or an end must be called before this returns. */
  instanceHead(head: InstanceResponse): void;
  instanceBody(piece: BodyPiece): void;
  /** Bytes of a new protocol, valid during the call. */
  instanceRaw(bytes: Buffer, from: number, to: number): void;
  /** The instance has ended its side before a message was complete, or in a tunnel. */
  instanceEnded(): void;
  /** The connection is of no more use. `nothing`: nothing that was written can have reached the instance. `detail`: a sentence. */
  instanceLost(code: ErrorCode, sent: 'nothing' | 'something', detail?: string): void;
  instanceDrained(): void;
  /** {@link InstancePort.timeout} has expired. */
  instanceTimedOut(): void;
  /** The instance owes answers, to others perhaps, and does not say that it lives. May come again. */
  instanceSilent(): void;
  /** One of these calls threw. */
  faulted(fault: unknown): void;
}
