import {
  compareSnapshots,
  createUpstream,
  Demand,
  defaultUpstreamPolicy,
  type Instance,
  type Snapshot,
  type Upstream,
  type UpstreamPolicy,
} from '@roundhouse/agent-sdk/internal';

import { instance } from '../../../../test/kit/builders.ts';
import type { FieldLines } from '../../http/field-lines.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { AttemptTimeouts } from '../../routing/policy.ts';
import type { Route } from '../../routing/route.ts';
import { createRouteTable } from '../../routing/route-table.ts';
import type { ExchangeContext } from '../context.ts';
import type { Destination } from '../destination.ts';
import { createExchanges } from '../exchanges.ts';
import type { ExchangeRecord } from '../record.ts';
import { createRetryBudget } from '../retry-budget.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  ExchangeEnd,
  Exchanges,
  RelayStep,
  Step,
  WaitStep,
} from '../seam.ts';

/** Exchanges without sockets: a gateway's decisions with a clock in the hand of the test. For tests only. */

export const timeouts: AttemptTimeouts = {
  connectMs: 1000,
  responseHeadMs: 30_000,
  idleMs: 60_000,
  tryMs: 0,
  totalMs: 0,
};

/** A route to `api`. */
export function route(more: Partial<Route> = {}): Route {
  return {
    host: undefined,
    prefix: '/api',
    service: 'api',
    strip: undefined,
    tag: undefined,
    timeouts: {},
    source: 'config',
    ...more,
  };
}

/** What a test varies. */
export interface SetUp {
  readonly ids?: readonly string[];
  readonly instances?: readonly Instance[];
  readonly routes?: readonly Route[];
  readonly policy?: Partial<UpstreamPolicy>;
  readonly destination?: Partial<Destination>;
  readonly context?: Partial<ExchangeContext>;
}

/** The exchanges of a gateway with one upstream, `api`, of instances `a` and `b`. */
export interface Bench {
  readonly context: ExchangeContext;
  readonly exchanges: Exchanges;
  readonly records: readonly ExchangeRecord[];
  readonly upstream: Upstream;
  readonly clock: { nowMs: number };
  readonly list: (instances: readonly Instance[]) => void;
  /** Begins an exchange. */
  readonly open: (head?: RequestHead) => Driven;
}

export function setUp(options: SetUp = {}): Bench {
  const records: ExchangeRecord[] = [];
  const clock = { nowMs: 0 };
  const now = (): number => clock.nowMs;
  const random = (): number => 0;
  const policy: UpstreamPolicy = {
    ...defaultUpstreamPolicy,
    ejection: { consecutiveFailures: 3, baseMs: 1000, maxMs: 8000, maxRatio: 0.5 },
    ...options.policy,
  };
  const upstream = createUpstream('api', { policy, now, random });
  let listed: Snapshot | undefined;
  const list = (instances: readonly Instance[]): void => {
    const change = compareSnapshots(listed, {
      service: 'api',
      index: '1',
      instances,
      quarantined: [],
      held: [],
    });
    listed = change.after;
    upstream.update(change);
  };
  list(options.instances ?? (options.ids ?? ['a', 'b']).map((id) => instance(id)));
  const table = createRouteTable(options.routes ?? [route()]);
  const budget = createRetryBudget({ ratio: 0.2, floorPerSecond: 10, maxConcurrent: 0 });
  let requests = 0;
  const context: ExchangeContext = {
    admits: () => true,
    resolve(host, path) {
      const found = table.match(host, path);
      if (found === undefined) return undefined;
      return {
        route: found,
        upstream,
        demand: new Demand(),
        timeouts,
        retry: { attempts: 3, statuses: [], nonIdempotent: 'never' },
        hedgeAfterMs: 0,
        hash: { kind: 'client-ip' },
        sticky: 'off',
        budget,
        ...options.destination,
      };
    },
    areClaimsKnown: () => true,
    routingStatus: () => ({ gateway: 'gw', state: 'unknown', reason: '', inFlight: 0 }),
    pseudonym: 'roundhouse',
    trusts: (address) => address === '10.9.9.9',
    forwardedFields: 'x-forwarded',
    identity: 'verify',
    sessionToken: (service, key) => `token-${service}-${key.replaceAll('/', '-')}`,
    observe: (record) => {
      records.push(record);
    },
    now,
    random,
    httpDate: () => 'Fri, 20 Nov 2026 12:00:00 GMT',
    newRequestId: () => `id-${String((requests += 1))}`,
    ...options.context,
  };
  const exchanges = createExchanges(context);
  return {
    context,
    exchanges,
    records,
    upstream,
    clock,
    list,
    open: (request = head()) => drive(exchanges, request),
  };
}

/** A GET of `/api/x?q=1` from a client that nobody vouches for. */
export function head(more: Partial<RequestHead> = {}, extra: FieldLines = []): RequestHead {
  return {
    method: 'GET',
    target: '/api/x?q=1',
    version: '1.1',
    fields: ['Host', 'example.org', ...extra],
    body: { kind: 'none' },
    upgrade: undefined,
    client: { address: '192.0.2.7', port: 5555, scheme: 'http', localPort: 8080 },
    ...more,
  };
}

/** A peer that the bench trusts. */
export const trustedClient: RequestHead['client'] = {
  address: '10.9.9.9',
  port: 1,
  scheme: 'http',
  localPort: 8080,
};

/** An exchange as an engine with one attempt at a time drives it: what happens is about the newest attempt unless it says otherwise. */
export interface Driven {
  readonly first: Step;
  waited(how: 'ready' | 'timeout'): Step;
  hedge(): AttemptStep | undefined;
  leave(sent: AttemptFailure['sent'], of?: AttemptStep): AttemptStep | undefined;
  interim(response: ResponseHead): FieldLines | undefined;
  responded(response?: Partial<ResponseHead>, of?: AttemptStep, sent?: 'head' | 'body'): Step;
  failed(failure: AttemptFailure, of?: AttemptStep): Step;
  ended(end?: ExchangeEnd): void;
}

export const complete: ExchangeEnd = { kind: 'complete', requestBytes: 0, responseBytes: 2 };

function drive(exchanges: Exchanges, request: RequestHead): Driven {
  const exchange = exchanges.open(request);
  let last: AttemptStep | undefined;
  const noted = <S extends Step | undefined>(step: S): S => {
    if (step?.kind === 'attempt') last = step;
    return step;
  };
  const first = noted(exchange.begin());
  return {
    first,
    waited: (how) => noted(exchange.waited(how)),
    hedge: () => noted(exchange.hedge()),
    leave: (sent, of = last) => (of === undefined ? undefined : noted(exchange.leave(of, sent))),
    interim: (response) => exchange.interim(response),
    responded: (response = {}, of = last, sent) => {
      if (of === undefined) throw new Error('no attempt is under way');
      return noted(exchange.responded({ status: 200, reason: 'OK', fields: [], ...response }, of, sent));
    },
    failed: (failure, of = last) => noted(exchange.failed(failure, of)),
    ended: (end = complete) => {
      exchange.ended(end);
    },
  };
}

export function attempt(step: Step | undefined): AttemptStep {
  if (step?.kind !== 'attempt') throw new Error(`expected an attempt, got ${JSON.stringify(step)}`);
  return step;
}
export function answer(step: Step): AnswerStep {
  if (step.kind !== 'answer') throw new Error(`expected an answer, got ${step.kind}`);
  return step;
}
export function relay(step: Step): RelayStep {
  if (step.kind !== 'relay') throw new Error(`expected a relay, got ${step.kind}`);
  return step;
}
export function wait(step: Step): WaitStep {
  if (step.kind !== 'wait') throw new Error(`expected a wait, got ${step.kind}`);
  return step;
}
/** The `code` of an answer's problem document. */
export function codeOf(step: Step): unknown {
  return (JSON.parse(answer(step).body) as { readonly code: unknown }).code;
}
/** Every value of a field. */
export function field(fields: FieldLines, name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name.toLowerCase());
}

export const refused: AttemptFailure = { code: 'connect_refused', sent: 'nothing', connection: 'fresh' };
export const reset: AttemptFailure = { code: 'upstream_reset', sent: 'head', connection: 'fresh' };
