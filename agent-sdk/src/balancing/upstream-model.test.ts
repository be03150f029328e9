import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { InstanceStatus } from '../discovery/instance.ts';
import type { EndpointReport, Lease, QueueTicket } from './endpoint.ts';
import { instance } from '../../../test/kit/builders.ts';
import { acquire, randomFrom, setUp, update } from './testing/samples.ts';
import type { BalanceStrategy } from './upstream-policy.ts';

const ids = ['a', 'b', 'c', 'd', 'e'];
const status = fc.constantFrom<InstanceStatus>('passing', 'passing', 'warning', 'critical', 'draining');
const listed = fc.record({
  status,
  weight: fc.integer({ min: 1, max: 3 }),
  tagged: fc.constantFrom('x', 'backup', ''),
});

const step = fc.oneof(
  fc.record({
    do: fc.constant('update' as const),
    list: fc.array(fc.option(listed, { nil: undefined }), { minLength: 5, maxLength: 5 }),
  }),
  fc.record({
    do: fc.constant('acquire' as const),
    tag: fc.constantFrom(undefined, undefined, 'x'),
    tried: fc.subarray(ids, { maxLength: 2 }),
    hash: fc.nat(),
  }),
  fc.record({
    do: fc.constant('acquire' as const),
    tag: fc.constant(undefined),
    tried: fc.constant<string[]>([]),
    hash: fc.nat(),
  }),
  fc.record({
    do: fc.constant('release' as const),
    at: fc.nat(),
    report: fc.constantFrom<EndpointReport>(
      'success',
      'success',
      'server_error',
      'gateway_error',
      'failed',
      'connect_failed',
    ),
  }),
  fc.record({ do: fc.constant('cancel' as const), at: fc.nat() }),
  fc.record({
    do: fc.constant('check' as const),
    id: fc.constantFrom(...ids),
    verdict: fc.constantFrom('up' as const, 'down' as const, 'unchecked' as const),
  }),
  fc.record({
    do: fc.constant('look' as const),
    times: fc.integer({ min: 1, max: 8 }),
    lives: fc.boolean(),
  }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3000 }) }),
);

interface Held {
  readonly lease: Lease;
  readonly limited: string;
}

describe.each<BalanceStrategy>([
  'round-robin',
  'least-requests',
  'power-of-two',
  'random',
  'consistent-hash',
])('an upstream under %s', (balance) => {
  it('gives out only what may be used, loses no request that waits, and keeps its counts', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.nat(), (steps, seed) => {
        const maxConnections = 2;
        const { upstream, clock } = setUp(
          [],
          { balance, maxConnections, slowStartMs: 500, queue: { limit: 4, timeoutMs: 1 } },
          randomFrom(seed),
        );
        // Its latency is known, so that silence is noticed after two looks.
        update(upstream, instance('known'));
        for (let answer = 0; answer < 200; answer += 1) {
          const lease = acquire(upstream);
          lease?.headCame(5);
          lease?.release();
        }
        update(upstream);
        const held: Held[] = [];
        const waiting: { readonly order: number; readonly plain: boolean; readonly ticket: QueueTicket }[] =
          [];
        const granted: { readonly order: number; readonly plain: boolean }[] = [];
        const cancelled = new Set<number>();
        const wrong: string[] = [];
        let orders = 0;

        const hold = (
          lease: Lease,
          request: { readonly tag: string | undefined; readonly tried: readonly unknown[] },
        ) => {
          const { endpoint } = lease;
          const { instance: record } = endpoint;
          if (endpoint.phase === 'draining') wrong.push('draining');
          if (record.status === 'critical' && !upstream.panic) wrong.push('critical');
          if (endpoint.inFlight > maxConnections) wrong.push('over its limit');
          if (request.tag !== undefined && !record.tags.includes(request.tag)) wrong.push('another tag');
          if (request.tried.includes(endpoint)) wrong.push('tried');
          if (!upstream.endpoints.includes(endpoint)) wrong.push('unknown');
          if (endpoint.health.state === 'ejected' || endpoint.silence === 'silent') {
            const better = upstream.endpoints.filter(
              (each) =>
                each.phase === 'serving' &&
                each.health.state === 'healthy' &&
                each.silence !== 'silent' &&
                each.instance.status !== 'critical' &&
                !checked.has(each.instance.id) &&
                !request.tried.includes(each) &&
                (request.tag === undefined || each.instance.tags.includes(request.tag)),
            );
            if (better.length > 0) wrong.push('ejected or silent');
          }
          held.push({ lease, limited: record.id });
        };
        const checked = new Set<string>();

        for (const each of steps) {
          if (each.do === 'update') {
            const instances = each.list.flatMap((facts, k) =>
              facts === undefined
                ? []
                : [instance(ids[k]!, { status: facts.status, weight: facts.weight, tags: [facts.tagged] })],
            );
            // A new endpoint has not been checked.
            for (const [k, facts] of each.list.entries()) if (facts === undefined) checked.delete(ids[k]!);
            update(upstream, ...instances);
          } else if (each.do === 'acquire') {
            const tried = upstream.endpoints.filter(({ instance: { id } }) => each.tried.includes(id));
            const request = { tag: each.tag, tried, hash: each.hash };
            const lease = upstream.acquire(request);
            if (typeof lease === 'object') {
              hold(lease, request);
            } else if (lease === 'busy') {
              const order = orders;
              const plain = each.tag === undefined && tried.length === 0;
              orders += 1;
              const ticket = upstream.enqueue(request, (given) => {
                granted.push({ order, plain });
                waiting.splice(
                  waiting.findIndex((one) => one.order === order),
                  1,
                );
                hold(given, request);
              });
              if (ticket !== undefined) waiting.push({ order, plain, ticket });
            }
          } else if (each.do === 'release') {
            const [one] = held.splice(each.at % Math.max(1, held.length), 1);
            one?.lease.headCame(5);
            one?.lease.report(each.report, 5);
            one?.lease.release();
          } else if (each.do === 'cancel') {
            const [one] = waiting.splice(each.at % Math.max(1, waiting.length), 1);
            one?.ticket.cancel();
            if (one !== undefined) cancelled.add(one.order);
          } else if (each.do === 'check') {
            const found = upstream.endpoints.find(
              (endpoint) => endpoint.phase === 'serving' && endpoint.instance.id === each.id,
            );
            if (found !== undefined) {
              if (each.verdict === 'down') checked.add(each.id);
              else checked.delete(each.id);
              const { key, address, port } = found.instance;
              upstream.checked(`${key}@${address}:${String(port)}`, each.verdict);
            }
          } else if (each.do === 'look') {
            for (let time = 0; time < each.times; time += 1) {
              for (const { endpoint, does } of upstream.look()) {
                if (does === 'ask') upstream.answered(endpoint, each.lives);
                else if (!held.some(({ lease }) => lease.endpoint === endpoint)) wrong.push('nothing waits');
              }
            }
          } else {
            clock.nowMs += each.ms;
          }

          if (upstream.queued !== waiting.length) wrong.push('lost in the queue');
          // Whoever waits for any endpoint has none to wait for that is free.
          if (waiting.some(({ plain }) => plain)) {
            const lease = upstream.acquire({ tag: undefined, tried: [], hash: 1 });
            if (typeof lease === 'object') {
              wrong.push('overtaken');
              lease.release();
            }
          }
        }

        const plainOrders = granted.filter(({ plain }) => plain).map(({ order }) => order);
        expect(wrong).toEqual([]);
        expect(plainOrders).toEqual([...plainOrders].sort((a, b) => a - b));
        expect(granted.some(({ order }) => cancelled.has(order))).toBe(false);
        for (const { ticket } of waiting) ticket.cancel();
        for (const { lease } of held) lease.release();
        expect(upstream.endpoints.every(({ inFlight }) => inFlight === 0)).toBe(true);
        expect(upstream.look().filter(({ does }) => does === 'leave')).toEqual([]);
        update(upstream, instance('last'));
        expect(upstream.endpoints).toHaveLength(1);
        expect(upstream.acquire({ tag: undefined, tried: [] })).toMatchObject({ endpoint: { inFlight: 1 } });
      }),
      { numRuns: 150 },
    );
  });
});
