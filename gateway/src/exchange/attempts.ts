import type { Endpoint, Lease } from '@roundhouse/agent-sdk/internal';

import type { RequestHead } from '../http/message.ts';
import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AttemptKind, AttemptRecord } from './record.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { AttemptFailure, AttemptStep } from './seam.ts';

/** What is to be tried, once there is an endpoint for it. */
export interface AttemptPlan {
  readonly kind: AttemptKind;
  readonly connection: AttemptStep['connection'];
  /** The budget that a retry or hedge was taken from; told when the attempt is over. */
  readonly budget: RetryBudget | undefined;
  /** The error for the client when there is no endpoint for it in time. */
  readonly otherwise: ErrorCode;
}

/** It holds a lease until it ends. */
export interface RunningAttempt {
  readonly step: AttemptStep;
  readonly lease: Lease;
  readonly plan: AttemptPlan;
  readonly startedMs: number;
}

/** How an attempt ended. */
export interface AttemptEnd {
  readonly end: AttemptRecord['end'];
  readonly error: ErrorCode | undefined;
  readonly detail?: string | undefined;
  readonly status: number | undefined;
  readonly nowMs: number;
}

const noEndpoints: readonly Endpoint[] = [];
const noRecords: readonly AttemptRecord[] = [];

/**
 * The attempts of one exchange, running and ended: the only list of them. Two run at most (hedging), each with its lease, which is
 * released exactly once, when the attempt ends. The usual exchange has one, and costs one array.
 */
export class Attempts {
  /** How many were started. */
  started = 0;
  retries = 0;
  /** Those that have ended. */
  records: readonly AttemptRecord[] = noRecords;
  #one: RunningAttempt | undefined;
  #two: RunningAttempt | undefined;
  /** Endpoints of those that ended without being the answer, after which another may come. */
  #ended: readonly Endpoint[] = noEndpoints;

  start(attempt: RunningAttempt): AttemptStep {
    this.started += 1;
    if (attempt.plan.kind === 'retry') this.retries += 1;
    if (this.#one === undefined) this.#one = attempt;
    else this.#two = attempt;
    return attempt.step;
  }

  /** The attempt that a step started, as long as it runs. */
  of(step: AttemptStep): RunningAttempt | undefined {
    if (this.#one?.step === step) return this.#one;
    return this.#two?.step === step ? this.#two : undefined;
  }

  /** The step of one that runs. */
  get anyRunning(): AttemptStep | undefined {
    return (this.#one ?? this.#two)?.step;
  }

  /** How many run: 0 to 2. */
  get running(): number {
    return (this.#one === undefined ? 0 : 1) + (this.#two === undefined ? 0 : 1);
  }

  /** Every endpoint tried so far, running ones included. */
  get tried(): readonly Endpoint[] {
    if (this.#one === undefined && this.#two === undefined) return this.#ended;
    const tried = [...this.#ended];
    if (this.#one !== undefined) tried.push(this.#one.lease.endpoint);
    if (this.#two !== undefined) tried.push(this.#two.lease.endpoint);
    return tried;
  }

  /** Ends one that runs: its lease is released, and it goes into the log. Reports come before. */
  end(attempt: RunningAttempt, { end, error, detail, status, nowMs }: AttemptEnd): void {
    if (this.#one === attempt) this.#one = undefined;
    else if (this.#two === attempt) this.#two = undefined;
    else return;
    const { lease, plan, startedMs } = attempt;
    const { endpoint } = lease;
    lease.release();
    plan.budget?.finished();
    if (end !== 'answered') this.#ended = [...this.#ended, endpoint];
    const record: AttemptRecord = {
      instance: endpoint.instance.id,
      kind: plan.kind,
      end,
      error,
      detail,
      status,
      durationMs: nowMs - startedMs,
    };
    this.records = this.records === noRecords ? [record] : [...this.records, record];
  }

  /** Gives up all but one, without a judgement. */
  dropAllBut(kept: RunningAttempt | undefined, nowMs: number): void {
    const one = this.#one;
    const two = this.#two;
    const dropped: AttemptEnd = { end: 'dropped', error: undefined, status: undefined, nowMs };
    if (one !== undefined && one !== kept) this.#drop(one, dropped);
    if (two !== undefined && two !== kept) this.#drop(two, dropped);
  }

  #drop(attempt: RunningAttempt, how: AttemptEnd): void {
    this.end(attempt, how);
    attempt.step.driver?.abandon();
  }
}

/** Reports a failure that is the endpoint's own to its health: it could not be reached, or it broke off. */
export function blame(lease: Lease, { code, connection }: AttemptFailure): void {
  const rule: ErrorRule = errorTable[code];
  if (rule.blame !== 'endpoint') return;
  if (rule.retry === 'unsent') lease.report('connect_failed');
  // A pooled connection that the instance had closed says little about the instance.
  else if (connection === 'fresh' || code !== 'upstream_reset') lease.report('failed');
}

/**
 * Reports what a response head tells at once: an error, and the result of a probation trial, however long its body lasts (any 5xx:
 * the endpoint has not recovered). Otherwise the success is reported when the whole response has come.
 */
export function judgeHead(lease: Lease, status: number, latencyMs: number | undefined): void {
  lease.headCame(latencyMs);
  const probe = lease.endpoint.health.state === 'probation';
  if (status >= 500) {
    const counts = probe || (status >= 502 && status <= 504);
    lease.report(counts ? 'gateway_error' : 'server_error', latencyMs);
  } else if (probe) {
    lease.report('success', latencyMs);
  }
}

/** A body up to this size comes with its head, as a rule. */
const quickBodyBytes = 16_384;

/** From the start of an attempt to the head of its response; undefined where it measures how fast the client sends, not the instance. */
export function latencyOf(
  { startedMs }: RunningAttempt,
  { body }: RequestHead,
  nowMs: number,
): number | undefined {
  const quick = body.kind === 'none' || (body.kind === 'length' && body.bytes <= quickBodyBytes);
  return quick ? nowMs - startedMs : undefined;
}
