import type { Endpoint, Lease, Upstream } from '@roundhouse/agent-sdk/balancing';

import { routeName, type Route } from '../routing/route.ts';
import { stripPrefix } from '../routing/request-target.ts';
import { errorAnswer, optionsAnswer } from './answers.ts';
import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AttemptRecord, ExchangeObserver } from './record.ts';
import { clientAddress, hasPassed, isRequestId, requestFields, type PeerStanding } from './request-fields.ts';
import { judgeRequest, type RequestFacts } from './request-rules.ts';
import { fieldValue, responseFields } from './response-fields.ts';
import { mayRetry, type RetryBudget } from './retry.ts';
import type { TrustsPeer } from './trusted-proxies.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  AttemptTimeouts,
  ClientFacts,
  Exchange,
  ExchangeEnd,
  Exchanges,
  FieldLines,
  RequestHead,
  ResponseHead,
  Step,
} from './seam.ts';

/** Where a request goes: the matched route with what stands behind it at this moment. */
export interface Destination {
  readonly route: Route;
  readonly upstream: Upstream;
  readonly timeouts: AttemptTimeouts;
}

/** What every exchange of a gateway shares. Clock, identifiers and dates come from outside, so that a test can drive them. */
export interface ExchangeContext {
  /** The route for a host and a normalised path, or undefined when nobody ever claimed it. */
  readonly resolve: (host: string, path: string) => Destination | undefined;
  readonly pseudonym: string;
  readonly trusts: TrustsPeer;
  readonly forwardedFields: 'x-forwarded' | 'forwarded' | 'both';
  /** Attempts per exchange, the first included. */
  readonly attempts: number;
  readonly budget: RetryBudget;
  readonly observe: ExchangeObserver;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The present time as an HTTP date. */
  readonly httpDate: () => string;
  readonly newRequestId: () => string;
}

/** The exchanges of a gateway, for its engine. */
export function createExchanges(context: ExchangeContext): Exchanges {
  return {
    open: (head) => new ExchangeState(context, head),
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
    end: { kind: 'complete', requestBytes: 0, responseBytes: Buffer.byteLength(answer.body) },
    durationMs: 0,
    upstreamMs: undefined,
  });
  return { ...answer, connection: 'close' };
}

/**
 * The life of an exchange: judge the head, find the route, lease an endpoint, and after each attempt relay, try elsewhere or
 * answer. Synchronous and without I/O; the engine moves the bytes.
 */
class ExchangeState implements Exchange {
  readonly #context: ExchangeContext;
  readonly #head: RequestHead;
  readonly #startedMs: number;
  #requestId = '';
  #peer: PeerStanding = 'untrusted';
  #facts: RequestFacts | undefined;
  #destination: Destination | undefined;
  #target = '';
  #fields: FieldLines | undefined;
  #upgrade: string | undefined;
  #lease: Lease | undefined;
  #tried: readonly Endpoint[] = [];
  #attempts: readonly AttemptRecord[] = [];
  #upstreamMs: number | undefined;
  #status = 0;
  #error: ErrorCode | undefined;
  #ended: 'no' | 'yes' = 'no';

  constructor(context: ExchangeContext, head: RequestHead) {
    this.#context = context;
    this.#head = head;
    this.#startedMs = context.now();
  }

  begin(): Step {
    const context = this.#context;
    const verdict = judgeRequest(this.#head);
    if (verdict.kind !== 'accepted') {
      this.#requestId = context.newRequestId();
      return verdict.kind === 'refused' ? this.#answer(verdict.code) : this.#answerOptions();
    }
    const { facts } = verdict;
    this.#facts = facts;
    this.#peer = context.trusts(this.#head.client.address) ? 'trusted' : 'untrusted';
    const given = this.#peer === 'trusted' ? facts.requestId : undefined;
    this.#requestId = isRequestId(given) ? given : context.newRequestId();
    if (hasPassed(facts.via, context.pseudonym)) return this.#answer('loop_detected');

    const { upgrade, body, method } = this.#head;
    if (
      upgrade?.split(',').some((protocol) => protocol.trim() === 'websocket') === true &&
      method === 'GET'
    ) {
      if (body.kind === 'chunked' || (body.kind === 'length' && body.bytes > 0))
        return this.#answer('bad_request'); // R29
      this.#upgrade = 'websocket'; // R28: any other protocol is left out, and the request goes on without an upgrade
    }

    const destination = context.resolve(facts.host, facts.path);
    if (destination === undefined) return this.#answer('no_route');
    this.#destination = destination;
    const { strip } = destination.route;
    const path = strip === undefined ? facts.path : stripPrefix(facts.path, strip);
    if (path === undefined) return this.#answer('bad_target');
    this.#target = path + facts.query;
    context.budget.deposit(this.#startedMs);
    const lease = destination.upstream.acquire({ tag: destination.route.tag, tried: [] });
    if (lease === undefined) return this.#answer('no_endpoint');
    this.#fields = requestFields(this.#head, facts, {
      peer: this.#peer,
      pseudonym: context.pseudonym,
      style: context.forwardedFields,
      requestId: this.#requestId,
    });
    return this.#attempt(lease, destination, 'any');
  }

  interim(head: ResponseHead): FieldLines | undefined {
    // R10: an HTTP/1.0 client knows no 1xx.
    if (this.#head.version === '1.0' || head.status === 101) return undefined;
    return responseFields(head.fields, { own: undefined });
  }

  responded(head: ResponseHead): Step {
    const context = this.#context;
    this.#upstreamMs = context.now() - this.#startedMs;
    if (head.status === 101 && !this.#agreedUpgrade(head)) {
      return this.failed({ code: 'upgrade_failed', sent: 'head', connection: 'fresh' }); // R31
    }
    if (head.status < 101 || head.status > 599 || (head.status > 101 && head.status < 200)) {
      return this.failed({ code: 'upstream_protocol', sent: 'head', connection: 'fresh' }); // R44
    }
    // A probe has proved itself with its head, however long its body lasts; otherwise the whole answer counts.
    if (this.#lease?.endpoint.health.state === 'probation') this.#lease.report('success');
    this.#status = head.status;
    const own = { requestId: this.#requestId, date: context.httpDate() };
    const fields = responseFields(head.fields, { own });
    return { kind: 'relay', status: head.status, reason: head.reason, fields, connection: 'keep' };
  }

  failed(failure: AttemptFailure): Step {
    const { code } = failure;
    const endpoint = this.#lease?.endpoint;
    if (code === 'client_closed') {
      this.#release();
      this.#error = code;
      return { kind: 'finish' };
    }
    if (endpoint !== undefined) {
      this.#tried = [...this.#tried, endpoint];
      this.#attempts = [...this.#attempts, { instance: endpoint.instance.id, error: code }];
      this.#blame(failure);
    }
    this.#release();
    return this.#retry(failure, endpoint) ?? this.#answer(code);
  }

  ended(end: ExchangeEnd): void {
    if (this.#ended === 'yes') return;
    this.#ended = 'yes';
    const instance = this.#lease?.endpoint.instance.id;
    if (end.kind === 'response_incomplete') this.#lease?.report('failed');
    if (end.kind === 'complete') this.#lease?.report('success');
    this.#release();
    if (end.kind === 'client_closed' || end.kind === 'response_incomplete') this.#error = end.kind;
    if (instance !== undefined) this.#attempts = [...this.#attempts, { instance, error: undefined }];
    const gone = end.kind === 'client_closed' && this.#upstreamMs === undefined;
    const { client, method, target } = this.#head;
    this.#context.observe({
      requestId: this.#requestId,
      clientAddress:
        this.#peer === 'trusted'
          ? clientAddress(client.address, this.#facts?.forwardedFor, this.#context.trusts)
          : client.address,
      method,
      host: this.#facts?.host ?? '',
      path: this.#facts?.path ?? target,
      route: this.#destination === undefined ? undefined : routeName(this.#destination.route),
      service: this.#destination?.route.service,
      instance,
      status: gone ? errorTable.client_closed.status : this.#status,
      error: this.#error,
      attempts: this.#attempts,
      end,
      durationMs: this.#context.now() - this.#startedMs,
      upstreamMs: this.#upstreamMs,
    });
  }

  #attempt(lease: Lease, destination: Destination, connection: AttemptStep['connection']): Step {
    this.#lease = lease;
    this.#upstreamMs = undefined;
    return {
      kind: 'attempt',
      endpoint: lease.endpoint,
      method: this.#head.method,
      target: this.#target,
      fields: this.#fields ?? [],
      upgrade: this.#upgrade,
      timeouts: destination.timeouts,
      connection,
    };
  }

  /** Another attempt, where rules, count and budget allow one and an endpoint is left. */
  #retry(failure: AttemptFailure, last: Endpoint | undefined): Step | undefined {
    const destination = this.#destination;
    if (destination === undefined || last === undefined) return undefined;
    if (this.#attempts.length >= this.#context.attempts || !mayRetry(this.#head.method, failure))
      return undefined;
    const tag = destination.route.tag;
    const reused = failure.connection === 'reused';
    // A pooled connection that the instance had closed says little about the instance: it may be tried again, on a fresh one.
    const lease =
      destination.upstream.acquire({ tag, tried: this.#tried }) ??
      (reused
        ? destination.upstream.acquire({ tag, tried: this.#tried.filter((endpoint) => endpoint !== last) })
        : undefined);
    if (lease === undefined) return undefined;
    if (failure.sent !== 'nothing' && !this.#context.budget.withdraw(this.#context.now())) {
      lease.release();
      return undefined;
    }
    return this.#attempt(lease, destination, reused ? 'fresh' : 'any');
  }

  #blame(failure: AttemptFailure): void {
    const rule: ErrorRule = errorTable[failure.code];
    if (rule.blame !== 'endpoint') return;
    if (rule.retry === 'unsent') this.#lease?.report('connect_failed');
    else if (failure.connection === 'fresh' || failure.code !== 'upstream_reset')
      this.#lease?.report('failed');
  }

  #agreedUpgrade(head: ResponseHead): boolean {
    return (
      this.#upgrade !== undefined &&
      fieldValue(head.fields, 'upgrade')?.trim().toLowerCase() === this.#upgrade
    );
  }

  #answer(code: ErrorCode): AnswerStep {
    this.#error = code;
    const { pseudonym } = this.#context;
    const answer = errorAnswer(code, {
      requestId: this.#requestId,
      accept: this.#facts?.accept ?? '',
      pseudonym,
    });
    this.#status = answer.status;
    return answer;
  }

  #answerOptions(): AnswerStep {
    const answer = optionsAnswer(this.#requestId);
    this.#status = answer.status;
    return answer;
  }

  #release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }
}
