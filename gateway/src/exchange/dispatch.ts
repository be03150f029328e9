import {
  expectedIdentity,
  type Lease,
  type LeaseRefusal,
  type LeaseRequest,
} from '@roundhouse/agent-sdk/internal';

import type { Passage } from './admission.ts';
import type { Affinity } from './affinity.ts';
import { Attempts, type Plan, type Underway } from './attempts.ts';
import type { ExchangeContext } from './context.ts';
import { isOver, timeoutsUntil, withDeadline, type Deadline } from './deadline.ts';
import type { ErrorCode } from './errors.ts';
import { requestFields, type PeerTrust } from '../http/request-fields.ts';
import { hasBody } from '../http/connection.ts';
import { fieldValue } from '../http/field-lines.ts';
import {
  answerVerdict,
  isSafe,
  mayBePassedOver,
  mayRetry,
  sameInstancePauseMs,
  wasRefused,
} from './retry.ts';
import type { AttemptFailure, AttemptStep, FieldLines, RequestHead, ResponseHead, Step } from './seam.ts';
import { Waiting } from './waiting.ts';

/** Refused attempts that don't count, at most: of a large service that is down as a whole, nobody asks every instance. */
const maxRefused = 16;

/** A request that was admitted, with all that decides where and how it may be tried. */
export interface Dispatched {
  readonly context: ExchangeContext;
  readonly head: RequestHead;
  readonly passage: Passage;
  readonly deadline: Deadline;
  readonly affinity: Affinity;
  readonly peer: PeerTrust;
  readonly requestId: string;
}

/** A step, or the error to answer with. */
export type StepOrCode = Step | ErrorCode;

const firstPlan: Plan = { kind: 'first', connection: 'any', budget: undefined, otherwise: 'queue_timeout' };

const nobody: LeaseRequest['tried'] = [];

/**
 * Gets an exchange its attempts: the first lease, a place in the queue, another instance after a failure, a second one beside a slow
 * one. Everything that may be held (leases, a place in a queue, a retry of the budget) is held here, and let go by `drop`.
 */
export class Dispatch {
  readonly attempts = new Attempts();
  /** Time spent in queues. */
  queuedMs = 0;
  /** Start of the first attempt, monotonic ms. */
  firstMs = 0;
  readonly #of: Dispatched;
  #fields: FieldLines | undefined;
  #waiting: Waiting | undefined;
  /** Whether an instance that asked for the request once more has been obeyed; once is enough. */
  #repeated: 'no' | 'yes' = 'no';
  /** Attempts that were refused, after which another instance was there: these do not count. */
  #refused = 0;

  constructor(of: Dispatched) {
    this.#of = of;
  }

  /** The first attempt, or the wait for it. */
  first(nowMs: number): StepOrCode {
    const { affinity } = this.#of;
    const step = this.#lease(firstPlan, { tried: nobody, affinity }, nowMs);
    if (typeof step !== 'string') return step;
    return step === 'none' ? 'no_endpoint' : 'overloaded';
  }

  /** The wait is over. */
  waited(nowMs: number): StepOrCode {
    const waiting = this.#waiting;
    if (waiting === undefined) return 'internal';
    this.#waiting = undefined;
    if (waiting.kind === 'queue') this.queuedMs += nowMs - waiting.sinceMs;
    if (isOver(this.#of.deadline, nowMs)) {
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
  afterFailure(last: Underway, failure: AttemptFailure, nowMs: number): StepOrCode {
    const { passage, head, deadline } = this.#of;
    const { retry, budget } = passage.destination;
    const { code, connection, sent } = failure;
    const isFree = retry.attempts > 1 && this.#refused < maxRefused && wasRefused(failure);
    const isLast = this.#counted >= retry.attempts;
    if ((isLast && !isFree) || !mayRetry(head.method, failure, retry)) return code;
    if (isOver(deadline, nowMs)) return 'deadline_exceeded';
    const counted = sent === 'nothing' ? undefined : budget;
    if (counted?.withdraw(nowMs) === false) return code;
    const stale = connection === 'reused';
    const plan: Plan = {
      kind: 'retry',
      connection: stale ? 'fresh' : 'any',
      budget: counted,
      otherwise: code,
    };
    const { tried } = this.attempts;
    const { endpoint } = last.lease;
    let step = this.#lease(plan, { tried, affinity: this.#of.affinity }, nowMs);
    if (isFree && typeof step !== 'string') this.#refused += 1;
    else if (isLast) return code;
    if (step === 'none' && stale) {
      // A pooled connection that the instance had closed says little about the instance: it may be tried at once on a fresh one.
      const others = tried.filter((other) => other !== endpoint);
      step = this.#lease(plan, { tried: others, affinity: this.#of.affinity }, nowMs);
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
    attempt: Underway,
    { head: answer, sent }: { readonly head: ResponseHead; readonly sent: 'head' | 'body' | undefined },
    nowMs: number,
  ): Step | undefined {
    if (!mayBePassedOver(answer.status)) return undefined;
    const { passage, head, deadline } = this.#of;
    const { retry, budget } = passage.destination;
    if ((sent ?? (hasBody(head) ? 'body' : 'head')) === 'body') return undefined;
    const earlyData = fieldValue(head.fields, 'early-data') === undefined ? 'none' : 'some';
    const verdict = answerVerdict({ method: head.method, earlyData }, answer, retry);
    if (verdict === 'final' || (verdict === 'once_more' && this.#repeated === 'yes')) return undefined;
    const passedOver = { end: 'passed_over', error: undefined, status: answer.status, nowMs } as const;
    if (this.attempts.running === 'two') {
      this.attempts.end(attempt, passedOver);
      return { kind: 'pending' };
    }
    if (this.#counted >= retry.attempts || isOver(deadline, nowMs)) return undefined;
    if (!budget.withdraw(nowMs)) return undefined;
    const lease = this.#another(verdict === 'once_more' ? attempt : undefined);
    if (typeof lease === 'string') {
      budget.refund();
      return undefined;
    }
    if (verdict === 'once_more') this.#repeated = 'yes';
    this.attempts.end(attempt, passedOver);
    const connection = verdict === 'once_more' ? 'fresh' : 'any';
    return this.#start(lease, { kind: 'retry', connection, budget, otherwise: 'internal' }, nowMs);
  }

  /** A second attempt beside a slow one. */
  hedge(nowMs: number): AttemptStep | undefined {
    const { retry, budget } = this.#of.passage.destination;
    if (this.attempts.running !== 'one' || this.#counted >= retry.attempts) return undefined;
    if (isOver(this.#of.deadline, nowMs) || !budget.withdraw(nowMs)) return undefined;
    const lease = this.#another(undefined);
    if (typeof lease === 'string') {
      budget.refund();
      return undefined;
    }
    return this.#start(lease, { kind: 'hedge', connection: 'any', budget, otherwise: 'internal' }, nowMs);
  }

  /** Lets go of everything but one attempt: of the wait, with what was granted meanwhile, and of every other lease. */
  drop(kept: Underway | undefined, nowMs: number): void {
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

  #lease(plan: Plan, want: Want, nowMs: number): Step | LeaseRefusal {
    const { upstream } = this.#of.passage.destination;
    const request = this.#request(want);
    const lease = upstream.acquire(request);
    if (typeof lease !== 'string') return this.#start(lease, plan, nowMs);
    if (lease !== 'busy') return lease;
    const waiting = new Waiting('queue', plan, nowMs);
    const joined = waiting.join(upstream, request);
    if (joined === 'full') return 'busy';
    const granted = joined === 'granted' ? waiting.take() : undefined;
    if (granted !== undefined) return this.#start(granted, plan, nowMs);
    return this.#wait(waiting, upstream.policy.queue.timeoutMs, nowMs);
  }

  /** The only instance there was, unless another has come meanwhile. */
  #leaseAfterPause(plan: Plan, nowMs: number): Step | LeaseRefusal {
    const { affinity } = this.#of;
    const step = this.#lease(plan, { tried: this.attempts.tried, affinity }, nowMs);
    return step === 'none' ? this.#lease(plan, { tried: nobody, affinity }, nowMs) : step;
  }

  /** An endpoint that has not been tried; or `orElse` again. Nobody waits for it. */
  #another(orElse: Underway | undefined): Lease | LeaseRefusal {
    const { upstream } = this.#of.passage.destination;
    const { affinity } = this.#of;
    const { tried } = this.attempts;
    const lease = upstream.acquire(this.#request({ tried, affinity }));
    if (lease !== 'none' || orElse === undefined) return lease;
    const others = tried.filter((endpoint) => endpoint !== orElse.lease.endpoint);
    return upstream.acquire(this.#request({ tried: others, affinity }));
  }

  #request({ tried, affinity: { hash, sticky } }: Want): LeaseRequest {
    return { tag: this.#of.passage.destination.route.tag, tried, hash, sticky };
  }

  #pause(plan: Plan, nowMs: number): Step {
    const pauseMs = sameInstancePauseMs(this.#of.context.random());
    return this.#wait(new Waiting('pause', plan, nowMs), pauseMs, nowMs);
  }

  #wait(waiting: Waiting, timeoutMs: number, nowMs: number): Step {
    this.#waiting = waiting;
    const leftMs = Math.ceil(this.#of.deadline.atMs - nowMs);
    const ticket = waiting.kind === 'queue' ? waiting.ticket : undefined;
    return { kind: 'wait', timeoutMs: Math.min(timeoutMs, leftMs), ticket };
  }

  #start(lease: Lease, plan: Plan, nowMs: number): AttemptStep {
    const { context, head, passage, deadline } = this.#of;
    const { timeouts, hedgeAfterMs } = passage.destination;
    const { endpoint } = lease;
    if (this.attempts.started === 0) this.firstMs = nowMs;
    const fields = (this.#fields ??= fieldsOf(this.#of));
    const step: AttemptStep = {
      kind: 'attempt',
      endpoint,
      method: head.method,
      target: passage.target,
      fields: withDeadline(fields, deadline, nowMs),
      upgrade: passage.upgrade,
      timeouts: timeoutsUntil(timeouts, deadline, nowMs),
      connection: plan.connection,
      identity: context.identity === 'verify' ? expectedIdentity(endpoint.instance) : undefined,
      hedgeAfterMs: hedgeAfterMs > 0 && plan.kind !== 'hedge' && mayHedge(this.#of) ? hedgeAfterMs : 0,
      transform: undefined,
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

function mayHedge({ head, passage }: Dispatched): boolean {
  return isSafe(head.method) && passage.upgrade === undefined && !hasBody(head);
}

/** What is sent to every instance that is tried, but for what says how much time is left. */
function fieldsOf({ context, head, passage, peer, requestId, deadline, affinity }: Dispatched): FieldLines {
  return requestFields(head, passage.facts, {
    peer,
    pseudonym: context.pseudonym,
    style: context.forwardedFields,
    requestId,
    passesGrpcTimeout: deadline.grpc === 'absent',
    ownCookie: affinity.session?.cookie,
  });
}
