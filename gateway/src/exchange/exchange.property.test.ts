import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ErrorCode } from './errors.ts';
import { createRetryBudget, type RetryBudget } from './retry-budget.ts';
import type { AttemptFailure, AttemptStep, Exchange, ExchangeEnd, Step } from './seam.ts';
import { head, setUp, timeouts } from './testing/drive.ts';
import { FakeUpstream } from './testing/fake-upstream.ts';

/** A budget that knows how many of its retries are under way. */
function counted(): RetryBudget & { underWay: number } {
  const budget = createRetryBudget({ ratio: 1, floorPerSecond: 100, maxConcurrent: 0 });
  const counting = {
    underWay: 0,
    deposit: (nowMs: number) => {
      budget.deposit(nowMs);
    },
    withdraw: (nowMs: number) => {
      const taken = budget.withdraw(nowMs);
      if (taken) counting.underWay += 1;
      return taken;
    },
    finished: () => {
      budget.finished();
      counting.underWay -= 1;
    },
    refund: () => {
      budget.refund();
      counting.underWay -= 1;
    },
  };
  return counting;
}

/** What fails at once, before anything was sent. */
const refusals = new Set<ErrorCode>(['connect_refused', 'connect_failed', 'wrong_instance']);

/** One exchange as an engine sees it; every call it makes is one that the seam allows. */
class Client {
  readonly #exchange: Exchange;
  #running: readonly AttemptStep[] = [];
  #state: 'waiting' | 'ready' | 'running' | 'relaying' | 'answered' | 'over' = 'running';
  attempts = 0;
  /** Those that failed at once with nothing sent; they don't count for `retry.attempts`. */
  refused = 0;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.#act(exchange.begin());
  }

  /** Does what `choice` says, as far as it can happen now. */
  happen({ what, code, sent, status, which }: Event): void {
    const of = this.#running[which % Math.max(1, this.#running.length)];
    switch (what) {
      case 'fails':
        if (of === undefined) return;
        this.#running = this.#running.filter((step) => step !== of);
        if (sent === 'nothing' && refusals.has(code)) this.refused += 1;
        this.#act(this.#exchange.failed({ code, sent, connection: which > 1 ? 'reused' : 'fresh' }, of));
        return;
      case 'responds': {
        if (of === undefined) return;
        const step = this.#exchange.responded({ status, reason: '', fields: [] }, of, 'head');
        this.#running = step.kind === 'relay' ? [] : this.#running.filter((other) => other !== of);
        this.#act(step);
        return;
      }
      case 'is slow': {
        if (of === undefined || of.hedgeAfterMs === 0 || this.#running.length > 1) return;
        const hedge = this.#exchange.hedge();
        if (hedge !== undefined) this.#act(hedge);
        return;
      }
      case 'waits':
        if (this.#state === 'waiting') this.#act(this.#exchange.waited('timeout'));
        else if (this.#state === 'ready') this.#act(this.#exchange.waited('ready'));
        return;
      case 'leaves':
        if (this.#state === 'over') return;
        if (this.#state !== 'relaying' && this.#state !== 'answered') {
          expect(this.#exchange.failed({ code: 'client_closed', sent, connection: 'fresh' }, of).kind).toBe(
            'finish',
          );
        }
        this.#end('client_closed');
        return;
      case 'is cut':
        this.#end(this.#state === 'relaying' ? 'response_incomplete' : 'shutdown');
        return;
      case 'ends':
        if (this.#state === 'relaying' || this.#state === 'answered') this.#end('complete');
    }
  }

  #end(kind: ExchangeEnd['kind']): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#running = [];
    this.#exchange.ended({ kind, requestBytes: 0, responseBytes: 0 });
  }

  #act(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.attempts += 1;
        this.#running = [...this.#running, step];
        this.#state = 'running';
        return;
      case 'wait':
        expect(this.#running).toEqual([]);
        this.#state = 'waiting';
        if (step.ticket !== undefined) {
          step.ticket.ready = () => {
            expect(this.#state).toBe('waiting');
            this.#state = 'ready';
          };
        }
        return;
      case 'pending':
        expect(this.#running).toHaveLength(1);
        return;
      case 'answer':
        this.#running = [];
        this.#state = 'answered';
        return;
      case 'relay':
        this.#state = 'relaying';
        return;
      case 'finish':
        throw new Error('only a client that has gone is finished');
    }
  }
}

interface Event {
  readonly who: number;
  readonly what: 'fails' | 'responds' | 'is slow' | 'waits' | 'leaves' | 'is cut' | 'ends';
  readonly code: ErrorCode;
  readonly sent: AttemptFailure['sent'];
  readonly status: number;
  readonly which: number;
  readonly laterMs: number;
}

const event: fc.Arbitrary<Event> = fc.record({
  who: fc.nat(5),
  what: fc.constantFrom(
    'fails',
    'fails',
    'fails',
    'responds',
    'is slow',
    'waits',
    'waits',
    'leaves',
    'is cut',
    'ends',
  ),
  code: fc.constantFrom(
    'connect_refused',
    'connect_timeout',
    'upstream_reset',
    'upstream_reset',
    'upstream_timeout',
    'try_timeout',
    'wrong_instance',
    'deadline_exceeded',
  ),
  sent: fc.constantFrom('nothing', 'head', 'head', 'body'),
  status: fc.constantFrom(200, 204, 421, 425, 500, 503, 502),
  which: fc.nat(3),
  laterMs: fc.constantFrom(0, 0, 1, 100, 400),
});

describe('whatever happens, in whatever order', () => {
  it('every lease is released exactly once, every retry given back, every exchange recorded once', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 80, size: 'max' }),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom(1, 2),
        fc.constantFrom(0, 600),
        (events, instances, capacity, totalMs) => {
          const upstream = new FakeUpstream({
            ids: ['a', 'b', 'c'].slice(0, instances),
            capacity,
            queueLimit: 3,
          });
          const budget = counted();
          const { exchanges, records, clock } = setUp({
            destination: {
              upstream,
              budget,
              timeouts: { ...timeouts, totalMs },
              hedgeAfterMs: 100,
              retry: { attempts: 3, statuses: [502, 503, 504], nonIdempotent: 'never' },
            },
          });
          const clients: Client[] = [];
          for (const next of events) {
            clock.nowMs += next.laterMs;
            const client = clients[next.who];
            if (client === undefined) clients.push(new Client(exchanges.open(head())));
            else client.happen(next);
          }
          const end = { who: 0, code: 'internal', sent: 'head', status: 200, which: 0, laterMs: 0 } as const;
          for (const client of clients) client.happen({ ...end, what: 'is cut' });
          expect(upstream.leases.map((lease) => lease.releases)).toEqual(upstream.leases.map(() => 1));
          expect(upstream.endpoints.map((endpoint) => endpoint.inFlight)).toEqual(
            upstream.endpoints.map(() => 0),
          );
          expect(upstream.queued).toBe(0);
          expect(budget.underWay).toBe(0);
          expect(records).toHaveLength(clients.length);
          for (const { attempts, refused } of clients) expect(attempts - refused).toBeLessThanOrEqual(3);
          const logged = records.reduce((sum, record) => sum + record.attempts.length, 0);
          expect(logged).toBe(clients.reduce((sum, client) => sum + client.attempts, 0));
        },
      ),
      { numRuns: 500 },
    );
  });
});
