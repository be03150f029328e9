import { agreesToUpgrade } from '../http/connection.ts';
import type { FieldLines } from '../http/field-lines.ts';
import { readHeaders } from '../http/header-facts.ts';
import { expectationOf, isFinalStatus, passesInterim } from '../http/interim.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { clientAddress } from '../http/request-fields.ts';
import { responseFields } from '../http/response-fields.ts';
import { routeName } from '../routing/route.ts';
import { noAffinity, sessionFields } from './affinity.ts';
import { errorAnswer, ownerDetail } from './answers.ts';
import { blame, judgeHead, latencyOf, type RunningAttempt } from './attempts.ts';
import type { GatewayContext } from './context.ts';
import { isOver, noDeadline } from './deadline.ts';
import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AttemptRecord } from './record.ts';
import type { AnswerStep, AttemptFailure, AttemptStep, Exchange, ExchangeEnd, Step } from './seam.ts';
import type { StepWait, RequestContext, RequestStep, StepOutcome } from './steps/step.ts';

/** The response that the client gets. */
interface Used {
  readonly attempt: RunningAttempt;
  readonly status: number;
  readonly latencyMs: number | undefined;
}

const noAttempts: readonly AttemptRecord[] = [];

/**
 * The life of an exchange: the steps before the first attempt; after each attempt relay, try elsewhere or answer. Synchronous and
 * without I/O; the run moves the bytes.
 */
export class ExchangeState implements Exchange {
  readonly #request: RequestContext;
  readonly #steps: readonly RequestStep[];
  /** The step that waits, by its index. */
  #held: { readonly hold: StepWait; readonly at: number } | undefined;
  #used: Used | undefined;
  /** Whether the client has had part of a response, so that no other instance's may follow. */
  #hasBegunResponse = false;
  /** Whether the client waits for a 100 that it has not got. */
  #awaitsContinue = false;
  #upstreamMs: number | undefined;
  #status = 0;
  #error: ErrorCode | undefined;
  #hasEnded = false;

  constructor(gateway: GatewayContext, steps: readonly RequestStep[], head: RequestHead) {
    this.#steps = steps;
    this.#request = {
      gateway,
      head,
      startedMs: gateway.now(),
      requestId: '',
      peer: 'untrusted',
      facts: undefined,
      upgrade: undefined,
      destination: undefined,
      target: '',
      deadline: noDeadline,
      affinity: noAffinity,
      transform: undefined,
      onResponse: undefined,
      scheduler: undefined,
    };
  }

  begin(): Step {
    const request = this.#request;
    request.requestId = request.gateway.newRequestId();
    const step = this.#proceed(0);
    const { facts, head } = request;
    this.#awaitsContinue = facts !== undefined && expectationOf(facts.headers, head.version) === 'continue';
    return step;
  }

  waited(how: 'ready' | 'timeout'): Step {
    const { scheduler, deadline, gateway } = this.#request;
    const nowMs = gateway.now();
    const held = this.#held;
    if (held === undefined) return this.#stepOf(scheduler?.waited(nowMs) ?? 'internal', 0);
    this.#held = undefined;
    if (!isOver(deadline, nowMs)) return this.#stepOf(held.hold.resume(how), held.at);
    held.hold.cancel();
    return this.#answer('deadline_exceeded');
  }

  hedge(): AttemptStep | undefined {
    const { scheduler, gateway } = this.#request;
    return this.#hasBegunResponse ? undefined : scheduler?.hedge(gateway.now());
  }

  leave(of: AttemptStep, sent: AttemptFailure['sent']): AttemptStep | undefined {
    const { scheduler, gateway } = this.#request;
    const attempt = scheduler?.attempts.of(of);
    if (attempt === undefined || this.#hasBegunResponse) return undefined;
    return scheduler?.leave(attempt, sent, gateway.now());
  }

  interim(head: ResponseHead): FieldLines | undefined {
    const { version } = this.#request.head;
    if (!passesInterim(head, { version, awaitsContinue: this.#awaitsContinue })) return undefined;
    // A 100 says nothing about the response: another instance may still give it.
    if (head.status === 100) this.#awaitsContinue = false;
    else this.#hasBegunResponse = true;
    return responseFields(head, undefined);
  }

  responded(head: ResponseHead, of: AttemptStep, sent?: 'head' | 'body'): Step {
    const { scheduler, gateway, head: requestHead } = this.#request;
    const attempt = scheduler?.attempts.of(of);
    if (scheduler === undefined || attempt === undefined) return this.#untimely('internal');
    const { status } = head;
    if (status === 101 && !agreesToUpgrade(head.headers ?? readHeaders(head.fields), of.upgrade))
      return this.failed({ code: 'upgrade_failed', sent: 'head', connection: 'fresh' }, of);
    if (!isFinalStatus(status))
      return this.failed({ code: 'upstream_protocol', sent: 'head', connection: 'fresh' }, of);
    const nowMs = gateway.now();
    const latencyMs = latencyOf(attempt, requestHead, nowMs);
    judgeHead(attempt.lease, status, latencyMs);
    const instead = this.#hasBegunResponse ? undefined : scheduler.insteadOf(attempt, { head, sent }, nowMs);
    if (instead !== undefined) return instead;
    scheduler.drop(attempt, nowMs);
    this.#used = { attempt, status, latencyMs };
    this.#hasBegunResponse = true;
    this.#upstreamMs = nowMs - scheduler.firstMs;
    this.#status = status;
    return this.#relay(head, attempt);
  }

  failed(failure: AttemptFailure, of: AttemptStep | undefined): Step {
    const { scheduler, gateway } = this.#request;
    const nowMs = gateway.now();
    if (failure.code === 'client_closed') {
      this.#letGo(nowMs);
      this.#error = 'client_closed';
      return { kind: 'finish' };
    }
    const attempt = of === undefined ? undefined : scheduler?.attempts.of(of);
    if (scheduler === undefined || attempt === undefined) {
      // A failure of the request itself ends a wait.
      if (of === undefined) this.#letGo(nowMs);
      return this.#untimely(failure.code);
    }
    const code = this.#cause(failure, nowMs);
    if (code === 'deadline_exceeded') this.#blameForDeadline(attempt, failure);
    else blame(attempt.lease, failure);
    const { detail } = failure;
    scheduler.attempts.end(attempt, { end: 'failed', error: code, detail, status: undefined, nowMs });
    const rule: ErrorRule = errorTable[code];
    const other = scheduler.attempts.anyRunning;
    if ((rule.blame === 'endpoint' || code === 'exhausted') && other !== undefined)
      return { kind: 'pending', of: other };
    scheduler.drop(undefined, nowMs);
    if (this.#hasBegunResponse) return this.#answer(code);
    return this.#stepOf(scheduler.afterFailure(attempt, { ...failure, code }, nowMs), 0);
  }

  ended(end: ExchangeEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { gateway, head, startedMs, requestId, peer, facts, destination, scheduler } = this.#request;
    const nowMs = gateway.now();
    const { client, method, target } = head;
    if (this.#used !== undefined) this.#endUsed(this.#used, end, nowMs);
    this.#letGo(nowMs);
    if (end.kind === 'client_closed' || end.kind === 'response_incomplete') this.#error = end.kind;
    if (end.kind === 'deadline') this.#error = 'deadline_exceeded';
    const gone = end.kind === 'client_closed' && this.#upstreamMs === undefined;
    const route = destination?.route;
    gateway.observe({
      requestId,
      clientAddress:
        peer === 'trusted'
          ? clientAddress(client.address, facts?.headers.claims?.['forwarded-for'], gateway.trusts)
          : client.address,
      method,
      host: facts?.host ?? '',
      path: facts?.path ?? target,
      route: route === undefined ? undefined : routeName(route),
      service: route?.service,
      instance: this.#used?.attempt.lease.endpoint.instance.id,
      status: gone ? errorTable.client_closed.status : this.#status,
      error: this.#error,
      attempts: scheduler?.attempts.records ?? noAttempts,
      retries: scheduler?.attempts.retries ?? 0,
      end,
      durationMs: nowMs - startedMs,
      queuedMs: scheduler?.queuedMs ?? 0,
      upstreamMs: this.#upstreamMs,
    });
  }

  /** Goes through the steps, from one of them on. */
  #proceed(from: number): Step {
    const steps = this.#steps;
    for (let at = from; at < steps.length; at += 1) {
      const outcome = steps[at]?.run(this.#request);
      if (outcome !== 'continue') return this.#stepOf(outcome ?? 'internal', at);
    }
    return this.#answer('internal');
  }

  /** What the run has to do about an outcome. `at`: the index of the step that it comes from. */
  #stepOf(outcome: StepOutcome, at: number): Step {
    if (typeof outcome === 'string')
      return outcome === 'continue' ? this.#proceed(at + 1) : this.#answer(outcome);
    if (outcome.kind === 'hold') {
      const { deadline, gateway } = this.#request;
      this.#held = { hold: outcome, at };
      const leftMs = Math.ceil(deadline.atMs - gateway.now());
      return { kind: 'wait', timeoutMs: Math.min(outcome.timeoutMs, leftMs), ticket: outcome.ticket };
    }
    if (outcome.kind === 'answer') this.#status = outcome.status;
    return outcome;
  }

  #relay(head: ResponseHead, { lease }: RunningAttempt): Step {
    const {
      gateway,
      requestId,
      destination,
      facts,
      affinity,
      onResponse,
      peer,
      head: request,
    } = this.#request;
    const fields = responseFields(head, { requestId, httpDate: gateway.httpDate });
    if (
      affinity.session !== undefined &&
      head.status < 500 &&
      destination !== undefined &&
      facts !== undefined
    ) {
      fields.push(
        ...sessionFields({ destination, facts, head: request, peer }, affinity, [
          lease.endpoint,
          gateway.sessions,
        ]),
      );
    }
    const hooks = onResponse?.(head);
    return {
      kind: 'relay',
      status: head.status,
      reason: head.reason,
      fields,
      connection: 'keep',
      transform: hooks?.transform,
      trailers: hooks?.trailers,
    };
  }

  /** Gives up everything that waits or runs. */
  #letGo(nowMs: number): void {
    this.#held?.hold.cancel();
    this.#held = undefined;
    this.#request.scheduler?.drop(undefined, nowMs);
  }

  /** Reports how the response that the client got (or part of it) went, and ends its attempt. */
  #endUsed({ attempt, status, latencyMs }: Used, end: ExchangeEnd, nowMs: number): void {
    const broken = end.kind === 'response_incomplete';
    // An instance that breaks off while it is still being sent the request has refused that, as likely as not.
    if (broken && end.uploading !== true) attempt.lease.report('failed');
    if (end.kind === 'complete' && status < 500) attempt.lease.report('success', latencyMs);
    const error = broken ? end.kind : undefined;
    const { scheduler } = this.#request;
    scheduler?.attempts.end(attempt, { end: broken ? 'failed' : 'answered', error, status, nowMs });
  }

  /** A wait of an attempt that ended because the time of the whole exchange was over has that as its cause. */
  #cause({ code }: AttemptFailure, nowMs: number): ErrorCode {
    const waited = code === 'connect_timeout' || code === 'upstream_timeout' || code === 'try_timeout';
    return waited && isOver(this.#request.deadline, nowMs) ? 'deadline_exceeded' : code;
  }

  /**
   * A deadline counts against an instance only when the instance had all of the time that the operator gives: the first attempt,
   * at once, of a request that was there whole. Time that a client, a queue or another instance has used up is not its fault.
   */
  #blameForDeadline({ lease, plan }: RunningAttempt, { sent }: AttemptFailure): void {
    const { deadline, head, scheduler } = this.#request;
    const own = deadline.source === 'route' && scheduler?.queuedMs === 0 && plan.kind === 'first';
    if (own && sent === 'head' && head.body.kind === 'none') lease.report('failed');
  }

  /**
   * The event belongs to no running attempt (it may be one that was cancelled). When another attempt runs, it goes on; otherwise
   * the client gets `code`.
   */
  #untimely(code: ErrorCode): Step {
    const other = this.#request.scheduler?.attempts.anyRunning;
    return other === undefined ? this.#answer(code) : { kind: 'pending', of: other };
  }

  #answer(code: ErrorCode): AnswerStep {
    this.#error = code;
    const { gateway, requestId, facts, destination } = this.#request;
    const accept = facts?.headers.accept ?? '';
    const detail =
      code === 'no_endpoint' && destination !== undefined ? ownerDetail(destination.route) : undefined;
    const answer = errorAnswer(code, { requestId, accept, pseudonym: gateway.pseudonym, detail });
    this.#status = answer.status;
    return answer;
  }
}
