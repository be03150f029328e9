import type { Endpoint, Lease } from '@roundhouse/agent-sdk/internal';

import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AttemptKind, AttemptRecord } from './record.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { AttemptFailure, AttemptStep, RequestHead } from './seam.ts';

/** What is to be tried, once there is an endpoint for it. */
export interface Plan {
  readonly kind: AttemptKind;
  readonly connection: AttemptStep['connection'];
  /** The budget that a retry or hedge was taken from, which has to hear when it is over. */
  readonly budget: RetryBudget | undefined;
  /** What the client hears when there is no endpoint for it in time. */
  readonly otherwise: ErrorCode;
}

/** An attempt under way: it holds a lease until it ends. */
export interface Underway {
  readonly step: AttemptStep;
  readonly lease: Lease;
  readonly plan: Plan;
  readonly startedMs: number;
}

/** How an attempt ended. */
export interface AttemptEnd {
  readonly end: AttemptRecord['end'];
  readonly error: ErrorCode | undefined;
  readonly status: number | undefined;
  readonly nowMs: number;
}

const nobody: readonly Endpoint[] = [];
const nothing: readonly AttemptRecord[] = [];

/**
 * The attempts of one exchange: two under way at most, each with its lease, which is released exactly once, when the attempt ends.
 * The usual exchange has one, and costs one array.
 */
export class Attempts {
  /** How many were started. */
  started = 0;
  retries = 0;
  /** Those that have ended. */
  records: readonly AttemptRecord[] = nothing;
  #one: Underway | undefined;
  #two: Underway | undefined;
  /** Endpoints of those that ended without being the answer, after which another may come. */
  #ended: readonly Endpoint[] = nobody;

  start(underway: Underway): AttemptStep {
    this.started += 1;
    if (underway.plan.kind === 'retry') this.retries += 1;
    if (this.#one === undefined) this.#one = underway;
    else this.#two = underway;
    return underway.step;
  }

  /** The attempt that a step started, as long as it is under way. */
  of(step: AttemptStep): Underway | undefined {
    if (this.#one?.step === step) return this.#one;
    return this.#two?.step === step ? this.#two : undefined;
  }

  get running(): 'none' | 'one' | 'two' {
    if (this.#one === undefined) return this.#two === undefined ? 'none' : 'one';
    return this.#two === undefined ? 'one' : 'two';
  }

  /** Every endpoint tried so far, those under way included. */
  get tried(): readonly Endpoint[] {
    if (this.#one === undefined && this.#two === undefined) return this.#ended;
    const tried = [...this.#ended];
    if (this.#one !== undefined) tried.push(this.#one.lease.endpoint);
    if (this.#two !== undefined) tried.push(this.#two.lease.endpoint);
    return tried;
  }

  /** Ends one that is under way: its lease is released, and it goes into the log. Reports come before. */
  end(underway: Underway, { end, error, status, nowMs }: AttemptEnd): void {
    if (this.#one === underway) this.#one = undefined;
    else if (this.#two === underway) this.#two = undefined;
    else return;
    const { lease, plan, startedMs } = underway;
    const { endpoint } = lease;
    lease.release();
    plan.budget?.finished();
    if (end !== 'answered') this.#ended = [...this.#ended, endpoint];
    const record: AttemptRecord = {
      instance: endpoint.instance.id,
      kind: plan.kind,
      end,
      error,
      status,
      durationMs: nowMs - startedMs,
    };
    this.records = this.records === nothing ? [record] : [...this.records, record];
  }

  /** Gives up all but one, without a judgement. */
  dropAllBut(kept: Underway | undefined, nowMs: number): void {
    const one = this.#one;
    const two = this.#two;
    const dropped: AttemptEnd = { end: 'dropped', error: undefined, status: undefined, nowMs };
    if (one !== undefined && one !== kept) this.#drop(one, dropped);
    if (two !== undefined && two !== kept) this.#drop(two, dropped);
  }

  #drop(underway: Underway, how: AttemptEnd): void {
    this.end(underway, how);
    underway.step.driver?.abandon();
  }
}

/** Tells the endpoint's health about a failure that is its own: failing to be reached, or having broken its word. */
export function blame(lease: Lease, { code, connection }: AttemptFailure): void {
  const rule: ErrorRule = errorTable[code];
  if (rule.blame !== 'endpoint') return;
  if (rule.retry === 'unsent') lease.report('connect_failed');
  // A pooled connection that the instance had closed says little about the instance.
  else if (connection === 'fresh' || code !== 'upstream_reset') lease.report('failed');
}

/**
 * Tells it what a response head says at once: an error, and what a probe proves, however long its body lasts (with any 5xx: that it
 * is not well yet). Otherwise it is a success when the whole answer has come.
 */
export function judgeHead(lease: Lease, status: number, latencyMs: number | undefined): void {
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

/** From the start of an attempt to the head of its response; undefined where it tells how fast the client sends, not the instance. */
export function latencyOf({ startedMs }: Underway, { body }: RequestHead, nowMs: number): number | undefined {
  const quick = body.kind === 'none' || (body.kind === 'length' && body.bytes <= quickBodyBytes);
  return quick ? nowMs - startedMs : undefined;
}
