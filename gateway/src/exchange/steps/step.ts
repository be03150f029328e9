import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { PeerTrust } from '../../http/request-fields.ts';
import type { RequestFacts } from '../../http/request-rules.ts';
import type { Affinity } from '../affinity.ts';
import type { AttemptScheduler } from '../attempt-scheduler.ts';
import type { GatewayContext } from '../context.ts';
import type { Deadline } from '../deadline.ts';
import type { Destination } from '../destination.ts';
import type { ErrorCode } from '../errors.ts';
import type { AnswerStep, BodyTransform, RelayStep, Step, WaitTicket } from '../seam.ts';

/** One thing that happens to every request before it is sent, or instead of that. */
export interface RequestStep {
  readonly name: string;
  /** Called once per exchange, in the order of the list. Synchronous; a step that needs something first returns a {@link StepWait}. */
  readonly run: (request: RequestContext) => StepOutcome;
}

/** `continue`: with the next step. An error code or an answer: the client gets it. An attempt or a wait: the exchange goes on from here. */
export type StepOutcome = 'continue' | ErrorCode | AnswerStep | StepWait | Step;

/** A step can't decide yet, because it waits for something: the engine holds the client meanwhile. */
export interface StepWait {
  readonly kind: 'hold';
  /** How long to wait at most; the deadline of the exchange may cut it short. */
  readonly timeoutMs: number;
  /** The step calls `ready` when it can decide, never from within `run` or `resume`. */
  readonly ticket: WaitTicket;
  /** The wait is over: what the step decides now. */
  readonly resume: (how: 'ready' | 'timeout') => StepOutcome;
  /** Instead of `resume`: the client has left, or the time of the exchange is over. */
  readonly cancel: () => void;
}

/** What a step wants to do with the response that is passed on; asked once, when its head has come. */
export type ResponseHook = (head: ResponseHead) => Pick<RelayStep, 'transform' | 'trailers'>;

/** What is known of a request on its way through the steps. Each step adds what it finds out. */
export interface RequestContext {
  readonly gateway: GatewayContext;
  readonly head: RequestHead;
  /** Monotonic ms. */
  readonly startedMs: number;
  requestId: string;
  peer: PeerTrust;
  /** Undefined until the rules have accepted the head. */
  facts: RequestFacts | undefined;
  upgrade: 'websocket' | undefined;
  /** Undefined until a route has been found. */
  destination: Destination | undefined;
  /** Origin-form to send. */
  target: string;
  deadline: Deadline;
  affinity: Affinity;
  /** For the request body; undefined: it passes as it is. */
  transform: BodyTransform | undefined;
  onResponse: ResponseHook | undefined;
  /** What gets the request its attempts, from the last step on. */
  scheduler: AttemptScheduler | undefined;
}
