import {
  expectedIdentity,
  type Lease,
  type LeaseRefusal,
  type LeaseRequest,
} from '@roundhouse/agent-sdk/internal';

import { hasBody } from '../http/connection.ts';
import { fieldValue, type FieldLines } from '../http/field-lines.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { requestFields, type PeerTrust } from '../http/request-fields.ts';
import type { RequestFacts } from '../http/request-rules.ts';
import type { Affinity } from './affinity.ts';
import { Attempts, type AttemptPlan, type RunningAttempt } from './attempts.ts';
import type { GatewayContext } from './context.ts';
import { isOver, timeoutsUntil, withDeadline, type Deadline } from './deadline.ts';
import type { Destination } from './destination.ts';
import type { ErrorCode } from './errors.ts';
import { LeaseWait } from './lease-wait.ts';
import {
  answerVerdict,
  isSafe,
  mayBePassedOver,
  mayRetry,
  sameInstancePauseMs,
  wasRefused,
} from './retry.ts';
import type { AttemptFailure, AttemptStep, BodyTransform, Step } from './seam.ts';

/** Refused attempts that don't count, at most: of a large service that is down as a whole, not every instance is tried. */
const maxRefused = 16;

/** A request that may go to an instance, with all that decides where and how it may be tried. */
export interface ScheduledRequest {
  readonly gateway: GatewayContext;
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  readonly requestId: string;
  readonly peer: PeerTrust;
  readonly destination: Destination;
  readonly target: string;
  readonly upgrade: 'websocket' | undefined;
  readonly deadline: Deadline;
  readonly affinity: Affinity;
  readonly transform: BodyTransform | undefined;
}

/** A step, or the error to answer with. */
type StepOrCode = Step | ErrorCode;

const firstPlan: AttemptPlan = {
  kind: 'first',
  connection: 'any',
  budget: undefined,
  otherwise: 'queue_timeout',
};

const untried: LeaseRequest['tried'] = [];

/**
 * Gets an exchange its attempts: the first lease, a place in the queue, another instance after a failure, a second one beside a slow
 * one. Holds whatever has to be given back (leases, a place in a queue, a retry of the budget); `drop` gives it back.
 */
export class AttemptScheduler {
  readonly attempts = new Attempts();
  /** Time spent in queues. */
  queuedMs = 0;
  /** Start of the first attempt, monotonic ms. */
  firstMs = 0;
  readonly #request: ScheduledRequest;
  #fields: FieldLines | undefined;
  #waiting: LeaseWait | undefined;
  /** Whether the request was repeated because an instance asked for it; it is repeated once at most. */
  #isRepeated = false;
  /** Attempts that were refused, after which another instance was there: these do not count. */
  #refused = 0;

  constructor(request: ScheduledRequest) {
    this.#request = request;
  }

  /** The first attempt, or the wait for it. */
  first(nowMs: number): StepOrCode {
    const { affinity } = this.#request;
    const step = this.#lease(firstPlan, { tried: untried, affinity }, nowMs);
    if (typeof step !== 'string') return step;
    return step === 'none' ? 'no_endpoint' : 'overloaded';
  }

  /** The wait is over. */
  waited(nowMs: number): StepOrCode {
    const waiting = this.#waiting;
    if (waiting === undefined) return 'internal';
    this.#waiting = undefined;
    if (waiting.kind === 'queue') this.queuedMs += nowMs - waiting.sinceMs;
    if (isOver(this.#request.deadline, nowMs)) {
      waiting.giveUp();
      return 'deadline_exceeded';
    }
    const { plan, kind } = waiting;
    const lease = waiting.take();
    if (lease !== undefined) return this.#start(lease, plan, nowMs);
    const step = kind === 'pause' ? this.#leaseAfterPause(plan, nowMs) : 'none';
    if (typeof step !== 'string') return step;
    plan.budget?.refund();
    return plan.otherwise;
  }

  /** Another attempt after one that failed and has ended, where rules, count, deadline and budget allow it; otherwise what to answer. */
  afterFailure(last: RunningAttempt, failure: AttemptFailure, nowMs: number): StepOrCode {
    const { destination, head, deadline } = this.#request;
    const { retry, budget } = destination;
    const { code, connection, sent } = failure;
    const isFree = retry.attempts > 1 && this.#refused < maxRefused && wasRefused(failure);
    const isLast = this.#counted >= retry.attempts;
    if ((isLast && !isFree) || !mayRetry(head.method, failure, retry)) return code;
    if (isOver(deadline, nowMs)) return 'deadline_exceeded';
    const counted = sent === 'nothing' ? undefined : budget;
    if (counted?.withdraw(nowMs) === false) return code;
    const stale = connection === 'reused';
    const plan: AttemptPlan = {
      kind: 'retry',
      connection: stale ? 'fresh' : 'any',
      budget: counted,
      otherwise: code,
    };
    const { tried } = this.attempts;
    const { endpoint } = last.lease;
    let step = this.#lease(plan, { tried, affinity: this.#request.affinity }, nowMs);
    if (isFree && typeof step !== 'string') this.#refused += 1;
    else if (isLast) return code;
    if (step === 'none' && stale) {
      // A pooled connection that the instance had closed says little about the instance: it may be tried at once on a fresh one.
      const others = tried.filter((other) => other !== endpoint);
      step = this.#lease(plan, { tried: others, affinity: this.#request.affinity }, nowMs);
    } else if (step === 'none' && tried.every((other) => other === endpoint)) {
      step = this.#pause(plan, nowMs);
    }
    if (typeof step !== 'string') return step;
    counted?.refund();
    return code;
  }

  /**
   * Another attempt instead of passing on a head that came, or `pending` while a hedged one goes on; undefined when the head is the
   * answer. `sent` as the engine says; without it, only a request without a body can be sent again.
   */
  insteadOf(
    attempt: RunningAttempt,
    { head: answer, sent }: { readonly head: ResponseHead; readonly sent: 'head' | 'body' | undefined },
    nowMs: number,
  ): Step | undefined {
    if (!mayBePassedOver(answer.status)) return undefined;
    const { destination, head, deadline } = this.#request;
    const { retry, budget } = destination;
    if ((sent ?? (hasBody(head) ? 'body' : 'head')) === 'body') return undefined;
    const hasEarlyData = fieldValue(head.fields, 'early-data') !== undefined;
    const verdict = answerVerdict({ method: head.method, hasEarlyData }, answer, retry);
    if (verdict === 'final' || (verdict === 'once_more' && this.#isRepeated)) return undefined;
    const passedOver = { end: 'passed_over', error: undefined, status: answer.status, nowMs } as const;
    if (this.attempts.running === 2) {
      this.attempts.end(attempt, passedOver);
      const other = this.attempts.anyRunning;
      return other === undefined ? undefined : { kind: 'pending', of: other };
    }
    if (this.#counted >= retry.attempts || isOver(deadline, nowMs)) return undefined;
    if (!budget.withdraw(nowMs)) return undefined;
    const lease = this.#another(verdict === 'once_more' ? attempt : undefined);
    if (typeof lease === 'string') {
      budget.refund();
      return undefined;
    }
    if (verdict === 'once_more') this.#isRepeated = true;
    this.attempts.end(attempt, passedOver);
    const connection = verdict === 'once_more' ? 'fresh' : 'any';
    return this.#start(lease, { kind: 'retry', connection, budget, otherwise: 'internal' }, nowMs);
  }

  /** A second attempt beside a slow one. */
  hedge(nowMs: number): AttemptStep | undefined {
    const { retry, budget } = this.#request.destination;
    if (this.attempts.running !== 1 || this.#counted >= retry.attempts) return undefined;
    if (isOver(this.#request.deadline, nowMs) || !budget.withdraw(nowMs)) return undefined;
    const lease = this.#another(undefined);
    if (typeof lease === 'string') {
      budget.refund();
      return undefined;
    }
    return this.#start(lease, { kind: 'hedge', connection: 'any', budget, otherwise: 'internal' }, nowMs);
  }

  /**
   * Another attempt for one whose endpoint is silent: beside it when the request is safe, else in its place where it may be repeated. Only
   * on an endpoint that is not in doubt itself. Once: a request may be the reason why endpoints are silent.
   */
  leave(attempt: RunningAttempt, sent: AttemptFailure['sent'], nowMs: number): AttemptStep | undefined {
    const { destination, head, deadline } = this.#request;
    const { retry } = destination;
    const isBeside = sent !== 'nothing' && mayHedge(this.#request);
    const isRepeatable = mayRetry(head.method, { code: 'try_timeout', sent, connection: 'fresh' }, retry);
    const isFirst = this.attempts.running === 1 && attempt.plan.kind !== 'silence';
    if (!isFirst || !(isBeside || isRepeatable)) return undefined;
    if (this.#counted >= retry.attempts || isOver(deadline, nowMs)) return undefined;
    const budget = sent === 'nothing' ? undefined : destination.budget;
    if (budget?.withdraw(nowMs) === false) return undefined;
    const lease = this.#undoubted();
    if (lease === undefined) {
      budget?.refund();
      return undefined;
    }
    if (!isBeside) this.attempts.dropAllBut(undefined, nowMs);
    return this.#start(lease, { kind: 'silence', connection: 'any', budget, otherwise: 'internal' }, nowMs);
  }

  /** Lets go of everything but one attempt: of the wait, with what was granted meanwhile, and of every other lease. */
  drop(kept: RunningAttempt | undefined, nowMs: number): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      if (waiting.kind === 'queue') this.queuedMs += nowMs - waiting.sinceMs;
      waiting.giveUp();
    }
    this.attempts.dropAllBut(kept, nowMs);
  }

  /** Attempts, as far as `retry.attempts` limits them. */
  get #counted(): number {
    return this.attempts.started - this.#refused;
  }

  #lease(plan: AttemptPlan, want: Want, nowMs: number): Step | LeaseRefusal {
    const { upstream } = this.#request.destination;
    const request = this.#leaseRequest(want);
    const lease = upstream.acquire(request);
    if (typeof lease !== 'string') return this.#start(lease, plan, nowMs);
    if (lease !== 'busy') return lease;
    const waiting = new LeaseWait('queue', plan, nowMs);
    const joined = waiting.join(upstream, request);
    if (joined === 'full') return 'busy';
    const granted = joined === 'granted' ? waiting.take() : undefined;
    if (granted !== undefined) return this.#start(granted, plan, nowMs);
    return this.#wait(waiting, upstream.policy.queue.timeoutMs, nowMs);
  }

  /** The only instance there was, unless another has come meanwhile. */
  #leaseAfterPause(plan: AttemptPlan, nowMs: number): Step | LeaseRefusal {
    const { affinity } = this.#request;
    const step = this.#lease(plan, { tried: this.attempts.tried, affinity }, nowMs);
    return step === 'none' ? this.#lease(plan, { tried: untried, affinity }, nowMs) : step;
  }

  /** An endpoint that has not been tried; or `orElse` again. Without waiting. */
  #another(orElse: RunningAttempt | undefined): Lease | LeaseRefusal {
    const { upstream } = this.#request.destination;
    const { affinity } = this.#request;
    const { tried } = this.attempts;
    const lease = upstream.acquire(this.#leaseRequest({ tried, affinity }));
    if (lease !== 'none' || orElse === undefined) return lease;
    const others = tried.filter((endpoint) => endpoint !== orElse.lease.endpoint);
    return upstream.acquire(this.#leaseRequest({ tried: others, affinity }));
  }

  /** An endpoint that has not been tried and owes nothing for too long. */
  #undoubted(): Lease | undefined {
    const { destination, affinity } = this.#request;
    const tried = [...this.attempts.tried];
    for (;;) {
      const lease = destination.upstream.acquire(this.#leaseRequest({ tried, affinity }));
      if (typeof lease === 'string') return undefined;
      if (lease.endpoint.silence === 'none') return lease;
      tried.push(lease.endpoint);
      lease.release();
    }
  }

  #leaseRequest({ tried, affinity: { hash, sticky } }: Want): LeaseRequest {
    return { tag: this.#request.destination.route.tag, tried, hash, sticky };
  }

  #pause(plan: AttemptPlan, nowMs: number): Step {
    const pauseMs = sameInstancePauseMs(this.#request.gateway.random());
    return this.#wait(new LeaseWait('pause', plan, nowMs), pauseMs, nowMs);
  }

  #wait(waiting: LeaseWait, timeoutMs: number, nowMs: number): Step {
    this.#waiting = waiting;
    const leftMs = Math.ceil(this.#request.deadline.atMs - nowMs);
    const ticket = waiting.kind === 'queue' ? waiting.ticket : undefined;
    return { kind: 'wait', timeoutMs: Math.min(timeoutMs, leftMs), ticket };
  }

  #start(lease: Lease, plan: AttemptPlan, nowMs: number): AttemptStep {
    const { gateway, head, destination, target, upgrade, deadline, transform } = this.#request;
    const { timeouts, hedgeAfterMs } = destination;
    const { endpoint } = lease;
    if (this.attempts.started === 0) this.firstMs = nowMs;
    const fields = (this.#fields ??= fieldsOf(this.#request));
    const step: AttemptStep = {
      kind: 'attempt',
      endpoint,
      method: head.method,
      target,
      fields: withDeadline(fields, deadline, nowMs),
      upgrade,
      timeouts: timeoutsUntil(timeouts, deadline, nowMs),
      connection: plan.connection,
      identity: gateway.identity === 'verify' ? expectedIdentity(endpoint.instance) : undefined,
      hedgeAfterMs:
        hedgeAfterMs > 0 && (plan.kind === 'first' || plan.kind === 'retry') && mayHedge(this.#request)
          ? hedgeAfterMs
          : 0,
      transform,
      driver: undefined,
    };
    this.attempts.start({ step, lease, plan, startedMs: nowMs });
    return step;
  }
}

/** Which endpoint is wanted. */
interface Want {
  readonly tried: LeaseRequest['tried'];
  readonly affinity: Affinity;
}

function mayHedge({ head, upgrade }: ScheduledRequest): boolean {
  // R51: another instance does not know of the login.
  if (head.client.logins !== undefined) return false;
  return isSafe(head.method) && upgrade === undefined && !hasBody(head);
}

/** What is sent to every instance that is tried, but for what says how much time is left. */
function fieldsOf(request: ScheduledRequest): FieldLines {
  const { gateway, head, facts, peer, requestId, deadline, affinity } = request;
  return requestFields(head, facts, {
    peer,
    pseudonym: gateway.pseudonym,
    style: gateway.forwardedFields,
    requestId,
    passesGrpcTimeout: deadline.grpc === 'absent',
    ownCookie: affinity.session?.cookie,
  });
}
