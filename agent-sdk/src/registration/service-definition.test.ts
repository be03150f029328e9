import { describe, expect, it } from 'vitest';

import { serviceDefinition } from './service-definition.ts';
import { staleInstanceIds } from './stale-registrations.ts';

const facts = {
  id: 'api-1',
  name: 'api',
  port: 4000,
  taggedAddresses: {},
  scheme: undefined,
  routes: ['urlprefix-/api'],
  tags: ['blue', 'api'],
  meta: { zone: 'a' },
  version: '1.2.3',
  weight: 5,
  pid: 42,
  started: '2026-01-01T00:00:00.000Z',
  ttlMs: 15_000,
  deregisterCriticalAfterMs: 60_000,
  answersIdentity: false,
  key: 'k1',
  check: { http: '/healthz', intervalMs: 2_000 },
};

describe('service definition', () => {
  it('carries name, routes, weight, meta and checks with explicit ids that start as passing', () => {
    expect(serviceDefinition(facts, 'fd00::4')).toEqual({
      ID: 'api-1',
      Name: 'api',
      Address: 'fd00::4',
      Port: 4000,
      Tags: ['api', 'urlprefix-/api', 'blue'],
      Meta: {
        version: '1.2.3',
        weight: '5',
        pid: '42',
        started: '2026-01-01T00:00:00.000Z',
        'roundhouse-key': 'k1',
        zone: 'a',
      },
      Weights: { Passing: 5, Warning: 1 },
      Checks: [
        {
          CheckID: 'service:api-1:ttl',
          Name: 'Heartbeat',
          TTL: '15000ms',
          Status: 'passing',
          DeregisterCriticalServiceAfter: '60000ms',
        },
        {
          CheckID: 'service:api-1:http',
          Name: 'GET /healthz',
          HTTP: 'http://[fd00::4]:4000/healthz',
          Interval: '2000ms',
          Timeout: '2000ms',
          Status: 'passing',
          DeregisterCriticalServiceAfter: '60000ms',
        },
      ],
    });
  });

  it('promises an answer to the identity question only where one is given', () => {
    expect(serviceDefinition({ ...facts, answersIdentity: true }, '10.0.0.4').Meta).toMatchObject({
      'roundhouse-identity': '1',
    });
  });

  it('finds no stale ids in an answer that is no list of services', () => {
    const own = serviceDefinition(facts, '10.0.0.4');
    const record = { ID: 'api-0', Service: 'api', Address: '10.0.0.4', Port: 4000 };
    for (const body of [undefined, null, 'x', [], [record], { a: null, b: 3, c: { ...record, ID: 7 } }])
      expect(staleInstanceIds(body, own)).toEqual([]);
    expect(staleInstanceIds({ a: record, b: { ...record, ID: 'api-1' } }, own)).toEqual(['api-0']);
  });
});
