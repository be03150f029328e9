import { routeName } from '../routing/route.ts';
import { admit, type Admission } from './admission.ts';
import { affinityOf, noAffinity, sessionFields, ties } from './affinity.ts';
import { errorAnswer } from './answers.ts';
import { blame, judgeHead, latencyOf, type Underway } from './attempts.ts';
import type { ExchangeContext } from './context.ts';
import { deadlineOf, isOver } from './deadline.ts';
import { Dispatch, type Dispatched, type StepOrCode } from './dispatch.ts';
import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AttemptRecord } from './record.ts';
import { clientAddress } from '../http/request-fields.ts';
import { agreesToUpgrade } from '../http/connection.ts';
import { readHeaders } from '../http/header-facts.ts';
import { expectationOf, isFinalStatus, passesInterim } from '../http/interim.ts';
import { responseFields } from '../http/response-fields.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  ClientFacts,
  Exchange,
  ExchangeEnd,
  Exchanges,
  FieldLines,
  RequestHead,
  ResponseHead,
  Step,
} from './seam.ts';
import { createSessions, type Sessions } from './sessions.ts';

/** What the exchanges of a gateway share. */
interface Shared extends ExchangeContext {
  readonly sessions: Sessions;
}

/** The exchanges of a gateway, for its engine. */
export function createExchanges(context: ExchangeContext): Exchanges {
  const shared: Shared = { ...context, sessions: createSessions(context.sessionToken) };
  return {
    open: (head) => new ExchangeState(shared, head),
    refuse: (code, client) => refuse(context, code, client),
  };
}

/** A message with no usable head: nothing is known of it but who sent it. */
function refuse(context: ExchangeContext, code: ErrorCode, client: ClientFacts): AnswerStep {
  const requestId = context.newRequestId();
  const { pseudonym } = context;
  const answer = errorAnswer(code, { requestId, accept: '', pseudonym });
  context.observe({
    requestId,
    clientAddress: client.address,
    method: '',
    host: '',
    path: '',
    route: undefined,
    service: undefined,
    instance: undefined,
    status: answer.status,
    error: code,
    attempts: [],
    retries: 0,
    end: { kind: 'complete', requestBytes: 0, responseBytes: Buffer.byteLength(answer.body) },
    durationMs: 0,
    queuedMs: 0,
    upstreamMs: undefined,
  });
  return { ...answer, connection: 'close' };
}

/** The response that the client gets. */
interface Used {
  readonly attempt: Underway;
  readonly status: number;
  readonly latencyMs: number | undefined;
}

const notBegun: Admission = {
  requestId: '',
  peer: 'untrusted',
  facts: undefined,
  verdict: { kind: 'refused', code: 'internal', destination: undefined },
};
const noAttempts: readonly AttemptRecord[] = [];

/**
 * The life of an exchange: judge the head, find the route, lease an endpoint, and after each attempt relay, try elsewhere or
 * answer. Synchronous and without I/O; the engine moves the bytes.
 */
class ExchangeState implements Exchange {
  readonly #shared: Shared;
  readonly #head: RequestHead;
  readonly #startedMs: number;
  #admission = notBegun;
  /** Of a request that may go to an instance; and what holds its leases. */
  #request: Dispatched | undefined;
  #dispatch: Dispatch | undefined;
  #used: Used | undefined;
  /** `begun`: the client has had part of a response, so that no other instance's may follow. */
  #response: 'none' | 'begun' = 'none';
  #upstreamMs: number | undefined;
  #status = 0;
  #error: ErrorCode | undefined;
  /** Whether the client waits for a 100 that it has not got. */
  #awaitsContinue = false;
  #phase: 'open' | 'ended' = 'open';

  constructor(shared: Shared, head: RequestHead) {
    this.#shared = shared;
    this.#head = head;
    this.#startedMs = shared.now();
  }

  begin(): Step {
    const shared = this.#shared;
    const head = this.#head;
    this.#admission = admit(shared, head);
    const { verdict, peer, requestId } = this.#admission;
    if (verdict.kind === 'refused') return this.#answer(verdict.code);
    if (verdict.kind === 'answered') {
      this.#status = verdict.answer.status;
      return verdict.answer;
    }
    const { destination, facts } = verdict;
    this.#awaitsContinue = expectationOf(facts.headers, head.version) === 'continue';
    destination.budget.deposit(this.#startedMs);
    const said = peer === 'trusted' ? facts.headers : undefined;
    const deadline = deadlineOf(this.#startedMs, destination.timeouts.totalMs, said);
    const affinity = ties(destination) ? affinityOf({ destination, head, facts, peer }, shared) : noAffinity;
    this.#request = { context: shared, head, passage: verdict, deadline, affinity, peer, requestId };
    this.#dispatch = new Dispatch(this.#request);
    return this.#stepOf(this.#dispatch.first(this.#startedMs));
  }

  waited(): Step {
    return this.#stepOf(this.#dispatch?.waited(this.#shared.now()) ?? 'internal');
  }

  hedge(): AttemptStep | undefined {
    return this.#response === 'begun' ? undefined : this.#dispatch?.hedge(this.#shared.now());
  }

  interim(head: ResponseHead): FieldLines | undefined {
    const { version } = this.#head;
    if (!passesInterim(head, { version, awaitsContinue: this.#awaitsContinue })) return undefined;
    // A 100 says nothing about the response: another instance may still give it.
    if (head.status === 100) this.#awaitsContinue = false;
    else this.#response = 'begun';
    return responseFields(head, undefined);
  }

  responded(head: ResponseHead, of: AttemptStep, sent?: 'head' | 'body'): Step {
    const dispatch = this.#dispatch;
    const request = this.#request;
    const attempt = dispatch?.attempts.of(of);
    if (dispatch === undefined || request === undefined || attempt === undefined)
      return this.#untimely('internal');
    const { status } = head;
    if (status === 101 && !agreesToUpgrade(head.headers ?? readHeaders(head.fields), of.upgrade))
      return this.failed({ code: 'upgrade_failed', sent: 'head', connection: 'fresh' }, of); // R31
    if (!isFinalStatus(status))
      return this.failed({ code: 'upstream_protocol', sent: 'head', connection: 'fresh' }, of);
    const nowMs = this.#shared.now();
    const latencyMs = latencyOf(attempt, this.#head, nowMs);
    judgeHead(attempt.lease, status, latencyMs);
    const instead =
      this.#response === 'none' ? dispatch.insteadOf(attempt, { head, sent }, nowMs) : undefined;
    if (instead !== undefined) return instead;
    dispatch.drop(attempt, nowMs);
    this.#used = { attempt, status, latencyMs };
    this.#response = 'begun';
    this.#upstreamMs = nowMs - dispatch.firstMs;
    this.#status = status;
    const own = { requestId: request.requestId, httpDate: this.#shared.httpDate };
    const fields = responseFields(head, own);
    const session = status < 500 ? sessionFields(request, attempt.lease.endpoint, this.#shared.sessions) : [];
    return {
      kind: 'relay',
      status,
      reason: head.reason,
      fields: session.length === 0 ? fields : [...fields, ...session],
      connection: 'keep',
      transform: undefined,
      trailers: undefined,
    };
  }

  failed(failure: AttemptFailure, of: AttemptStep | undefined): Step {
    const nowMs = this.#shared.now();
    const dispatch = this.#dispatch;
    if (failure.code === 'client_closed') {
      dispatch?.drop(undefined, nowMs);
      this.#error = 'client_closed';
      return { kind: 'finish' };
    }
    const attempt = of === undefined ? undefined : dispatch?.attempts.of(of);
    if (dispatch === undefined || attempt === undefined) {
      // About the request itself, in a wait: that is over.
      if (of === undefined) dispatch?.drop(undefined, nowMs);
      return this.#untimely(failure.code);
    }
    const code = this.#cause(failure, nowMs);
    if (code === 'deadline_exceeded') this.#blameForDeadline(attempt, failure);
    else blame(attempt.lease, failure);
    dispatch.attempts.end(attempt, { end: 'failed', error: code, status: undefined, nowMs });
    const rule: ErrorRule = errorTable[code];
    if (rule.blame === 'endpoint' && dispatch.attempts.running !== 'none') return { kind: 'pending' };
    dispatch.drop(undefined, nowMs);
    if (this.#response === 'begun') return this.#answer(code);
    return this.#stepOf(dispatch.afterFailure(attempt, { ...failure, code }, nowMs));
  }

  ended(end: ExchangeEnd): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    const nowMs = this.#shared.now();
    const { client, method, target } = this.#head;
    const { requestId, peer, facts, verdict } = this.#admission;
    if (this.#used !== undefined) this.#endUsed(this.#used, end, nowMs);
    this.#dispatch?.drop(undefined, nowMs);
    if (end.kind === 'client_closed' || end.kind === 'response_incomplete') this.#error = end.kind;
    if (end.kind === 'deadline') this.#error = 'deadline_exceeded';
    const gone = end.kind === 'client_closed' && this.#upstreamMs === undefined;
    const route = verdict.kind === 'answered' ? undefined : verdict.destination?.route;
    this.#shared.observe({
      requestId,
      clientAddress:
        peer === 'trusted'
          ? clientAddress(client.address, facts?.headers.forwardedFor, this.#shared.trusts)
          : client.address,
      method,
      host: facts?.host ?? '',
      path: facts?.path ?? target,
      route: route === undefined ? undefined : routeName(route),
      service: route?.service,
      instance: this.#used?.attempt.lease.endpoint.instance.id,
      status: gone ? errorTable.client_closed.status : this.#status,
      error: this.#error,
      attempts: this.#dispatch?.attempts.records ?? noAttempts,
      retries: this.#dispatch?.attempts.retries ?? 0,
      end,
      durationMs: nowMs - this.#startedMs,
      queuedMs: this.#dispatch?.queuedMs ?? 0,
      upstreamMs: this.#upstreamMs,
    });
  }

  /** The lease of the response that the client got (or part of it) hears how it went. */
  #endUsed({ attempt, status, latencyMs }: Used, end: ExchangeEnd, nowMs: number): void {
    const broken = end.kind === 'response_incomplete';
    if (broken) attempt.lease.report('failed');
    if (end.kind === 'complete' && status < 500) attempt.lease.report('success', latencyMs);
    const error = broken ? end.kind : undefined;
    this.#dispatch?.attempts.end(attempt, { end: broken ? 'failed' : 'answered', error, status, nowMs });
  }

  /** A wait of an attempt that ended because the time of the whole exchange was over has that as its cause. */
  #cause({ code }: AttemptFailure, nowMs: number): ErrorCode {
    const waited = code === 'connect_timeout' || code === 'upstream_timeout' || code === 'try_timeout';
    return waited && this.#request !== undefined && isOver(this.#request.deadline, nowMs)
      ? 'deadline_exceeded'
      : code;
  }

  /**
   * A deadline counts against an instance only when all of the time that the operator gives was its own: the first attempt, straight
   * away, of a request that was there whole. What a client, a queue or another instance has used up is not its fault.
   */
  #blameForDeadline({ lease, plan }: Underway, { sent }: AttemptFailure): void {
    const { deadline, head } = this.#request ?? {};
    const own = deadline?.source === 'route' && this.#dispatch?.queuedMs === 0 && plan.kind === 'first';
    if (own && sent === 'head' && head?.body.kind === 'none') lease.report('failed');
  }

  /** About nothing that is under way, perhaps an attempt that was given up: what is under way goes on, if anything is. */
  #untimely(code: ErrorCode): Step {
    const running = this.#dispatch?.attempts.running ?? 'none';
    return running === 'none' ? this.#answer(code) : { kind: 'pending' };
  }

  #stepOf(step: StepOrCode): Step {
    return typeof step === 'string' ? this.#answer(step) : step;
  }

  #answer(code: ErrorCode): AnswerStep {
    this.#error = code;
    const { pseudonym } = this.#shared;
    const { requestId, facts } = this.#admission;
    const answer = errorAnswer(code, { requestId, accept: facts?.headers.accept ?? '', pseudonym });
    this.#status = answer.status;
    return answer;
  }
}
