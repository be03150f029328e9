import { describe, expect, it } from 'vitest';

import { createExchanges } from './exchanges.ts';
import type { AttemptStep, BodyTransform, Exchange, WaitTicket } from './seam.ts';
import { composeSteps } from './steps.ts';
import type { StepWait, RequestStep, StepOutcome } from './steps/step.ts';
import {
  answer,
  attempt,
  codeOf,
  complete,
  field,
  head,
  relay,
  setUp,
  trustedClient,
  wait,
} from './testing/drive.ts';

const names = (steps: readonly RequestStep[]) => steps.map(({ name }) => name);

/** An exchange with one more step, which stands before `dispatch`. */
function opened(run: RequestStep['run'], setup: Parameters<typeof setUp>[0] = {}): Exchange {
  const { context } = setUp(setup);
  const exchanges = createExchanges(context, (gateway) => {
    const steps = composeSteps(gateway);
    return [...steps.slice(0, -1), { name: 'test', run }, ...steps.slice(-1)];
  });
  return exchanges.open(head());
}

describe('composeSteps', () => {
  it('lists the steps in their order', () => {
    expect(names(composeSteps({ trusts: () => true }))).toEqual([
      'check-request',
      'trust-peer',
      'check-hops',
      'well-known',
      'admit',
      'match-route',
      'bind-client',
      'dispatch',
    ]);
  });

  it('leaves out what is not configured', () => {
    expect(names(composeSteps({ trusts: undefined }))).not.toContain('trust-peer');
  });
});

describe('a step', () => {
  it('can refuse, or answer by itself; nothing after it runs', () => {
    expect(codeOf(opened(() => 'overloaded').begin())).toBe('overloaded');
    const own = { kind: 'answer', status: 204, fields: [], body: '', connection: 'keep' } as const;
    expect(answer(opened(() => own).begin()).status).toBe(204);
  });

  it('can hook into the bodies and the trailers of both ways', () => {
    const transform: BodyTransform = { length: 'same', push: (bytes) => bytes, end: () => Buffer.alloc(0) };
    const trailers = () => ['grpc-status', '0'];
    const exchange = opened((request) => {
      request.transform = transform;
      request.onResponse = ({ status }) => (status === 200 ? { transform, trailers } : {});
      return 'continue';
    });
    const step = attempt(exchange.begin());
    expect(step.transform).toBe(transform);
    const response = { status: 200, reason: 'OK', fields: [] };
    expect(relay(exchange.responded(response, step))).toMatchObject({ transform, trailers });
  });

  it('leaves the fast path alone when it does not', () => {
    const exchange = opened(() => 'continue');
    const step = attempt(exchange.begin());
    expect(step.transform).toBeUndefined();
    const relayed = relay(exchange.responded({ status: 200, reason: 'OK', fields: [] }, step));
    expect([relayed.transform, relayed.trailers]).toEqual([undefined, undefined]);
  });
});

describe('a step that waits', () => {
  /** What an asynchronous step (a token check, a quota kept elsewhere) does, with its answer in the hand of the test. */
  function asynchronous(
    decide: (how: 'ready' | 'timeout') => StepOutcome,
    setup?: Parameters<typeof setUp>[0],
  ) {
    const ticket: WaitTicket = { ready: () => undefined };
    const seen = { cancelled: 0, resumed: 0 };
    const hold: StepWait = {
      kind: 'hold',
      timeoutMs: 500,
      ticket,
      resume: (how) => {
        seen.resumed += 1;
        return decide(how);
      },
      cancel: () => {
        seen.cancelled += 1;
      },
    };
    return { exchange: opened(() => hold, setup), ticket, seen };
  }

  it('holds the client until its ticket is ready, then the next steps follow', () => {
    const { exchange, ticket, seen } = asynchronous(() => 'continue');
    const waiting = wait(exchange.begin());
    expect(waiting).toMatchObject({ timeoutMs: 500 });
    let called = 0;
    const { ticket: given } = waiting;
    if (given !== undefined) given.ready = () => (called += 1);
    ticket.ready();
    expect(called).toBe(1);
    const step: AttemptStep = attempt(exchange.waited('ready'));
    expect(relay(exchange.responded({ status: 200, reason: 'OK', fields: [] }, step)).status).toBe(200);
    exchange.ended(complete);
    expect(seen).toEqual({ cancelled: 0, resumed: 1 });
  });

  it('hears of a timeout and decides', () => {
    const { exchange } = asynchronous((how) => (how === 'timeout' ? 'queue_timeout' : 'continue'));
    exchange.begin();
    expect(codeOf(exchange.waited('timeout'))).toBe('queue_timeout');
  });

  it('is cancelled when the client leaves', () => {
    const { exchange, seen } = asynchronous(() => 'continue');
    exchange.begin();
    const failure = { code: 'client_closed', sent: 'nothing', connection: 'fresh' } as const;
    expect(exchange.failed(failure, undefined).kind).toBe('finish');
    exchange.ended({ kind: 'client_closed', requestBytes: 0, responseBytes: 0 });
    expect(seen).toEqual({ cancelled: 1, resumed: 0 });
  });

  it('waits no longer than the exchange has time', () => {
    const timeouts = { connectMs: 1, responseHeadMs: 1, idleMs: 1, tryMs: 0, totalMs: 100 };
    let nowMs = 0;
    const { exchange, seen } = asynchronous(() => 'continue', {
      destination: { timeouts },
      context: { now: () => nowMs },
    });
    expect(wait(exchange.begin()).timeoutMs).toBe(100);
    nowMs = 100;
    expect(codeOf(exchange.waited('timeout'))).toBe('deadline_exceeded');
    expect(seen).toEqual({ cancelled: 1, resumed: 0 });
  });
});

describe('another configuration', () => {
  it('counts for the exchanges that begin after it', () => {
    const { context } = setUp();
    const exchanges = createExchanges(context);
    const request = head({ client: trustedClient }, ['X-Forwarded-For', '6.6.6.6']);
    const sent = (exchange: Exchange) => field(attempt(exchange.begin()).fields, 'x-forwarded-for');
    const before = exchanges.open(request);
    exchanges.reconfigure({ ...context, trusts: undefined });
    expect(sent(before)).toEqual(['6.6.6.6, 10.9.9.9']);
    expect(sent(exchanges.open(request))).toEqual(['10.9.9.9']);
  });
});
