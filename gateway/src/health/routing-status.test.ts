import type { Endpoint, EndpointHealth, Instance } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import type { EndpointCheck } from './checks.ts';
import type { Reach } from './reachability.ts';
import { endpointsById, stateOf, stateWithoutEndpoint } from './routing-status.ts';
import { record } from './testing/fake-instance.ts';

const healthy: EndpointHealth = { state: 'healthy', failures: 0, ejections: 0, sinceMs: 0 };

function endpoint(changes: Partial<Endpoint> = {}, instance: Partial<Instance> = {}): Endpoint {
  return {
    instance: record(1, instance),
    inFlight: 0,
    total: 0,
    health: healthy,
    availability: 'available',
    check: 'unchecked',
    phase: 'serving',
    silence: 'none',
    hear: () => undefined,
    ...changes,
  };
}

const alive: Reach = { kind: 'alive' };

function state(of: Endpoint, reach: Reach = alive, check: Partial<EndpointCheck> = {}) {
  const { state: name, reason } = stateOf(
    { endpoint: of, reach: () => reach, check: { verdict: 'unchecked', reason: '', ...check } },
    1_000,
  );
  return `${name}: ${reason}`;
}

describe('how an instance stands', () => {
  it('is live once it has been reached', () => {
    expect(state(endpoint())).toBe('live: ');
    expect(
      stateOf({ endpoint: endpoint(), reach: () => undefined, check: { verdict: 'up', reason: '' } }, 0),
    ).toEqual({
      state: 'out',
      reason: 'not checked yet',
    });
  });

  it.each<[string, Endpoint, Reach?, Partial<EndpointCheck>?]>([
    ['draining: ', endpoint({ phase: 'draining' })],
    ['draining: ', endpoint({}, { status: 'draining' })],
    ['draining: ', endpoint({ phase: 'draining' }, { status: 'critical' }), { kind: 'dead', reason: 'x' }],
    ['out: its checks in Consul are critical', endpoint({}, { status: 'critical' })],
    ['out: connection refused', endpoint(), { kind: 'dead', reason: 'connection refused' }],
    [
      'out: fails the checks of this gateway: answered 500',
      endpoint(),
      alive,
      { verdict: 'down', reason: 'answered 500' },
    ],
    [
      'out: left out after failures, for 500 ms more (ejection 2)',
      endpoint({ health: { state: 'ejected', untilMs: 1_500, ejections: 2 } }),
    ],
    [
      'out: left out after failures, for 0 ms more (ejection 1)',
      endpoint({ health: { state: 'ejected', untilMs: 500, ejections: 1 } }),
    ],
    ['out: it owes responses and answers no question', endpoint({ silence: 'silent' })],
    ['live: ', endpoint({ silence: 'asked' })],
    ['out: on probation after failures', endpoint({ health: { state: 'probation', ejections: 1 } })],
    ['live: ', endpoint({}, { status: 'warning' })],
  ])('is %s', (told, of, reach, check) => {
    expect(state(of, reach, check)).toBe(told);
  });

  it('asks for a probe only when it matters', () => {
    const never = (): Reach => {
      throw new Error('asked');
    };
    const check = { verdict: 'unchecked', reason: '' } as const;
    expect(stateOf({ endpoint: endpoint({ phase: 'draining' }), reach: never, check }, 0).state).toBe(
      'draining',
    );
  });

  it('is told without an endpoint only to one whose record is in quarantine, and to no stranger', () => {
    expect(stateWithoutEndpoint(undefined, { id: 'i1', key: 'k' })).toBeUndefined();
    const quarantined = [{ node: 'n1', id: 'i1', key: 'k', reason: 'port 0 is not in 1..65535' }];
    const snapshot = { service: 'api', index: '1', instances: [], quarantined, held: [] };
    for (const stranger of [
      { id: 'i2', key: 'k' },
      { id: 'i1', key: 'guessed' },
    ])
      expect(stateWithoutEndpoint(snapshot, stranger)).toBeUndefined();
    expect(stateWithoutEndpoint(snapshot, { id: 'i1', key: 'k' })).toEqual({
      state: 'out',
      reason: 'its registration is not believed: port 0 is not in 1..65535',
    });
  });
});

it('finds, of several endpoints with one id, the one that serves', () => {
  const [old, now] = [endpoint({ phase: 'draining' }), endpoint({}, { port: 2 })];
  expect(endpointsById([old, now]).get('i1')).toBe(now);
  expect(endpointsById([now, old]).get('i1')).toBe(now);
  expect(endpointsById([old]).get('i1')).toBe(old);
});
