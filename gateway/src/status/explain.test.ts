import { expect, it } from 'vitest';

import { routeConfig } from '../../../test/kit/builders.ts';
import { defaults } from '../config/defaults.ts';
import { createAddressPolicy } from '../registry/addresses/address-policy.ts';
import { Registry } from '../registry/registry.ts';
import { explain, type Explanation } from './explain.ts';

function explained(method: string, url: string, count = 1): Explanation {
  const instances = Array.from({ length: count }, (_, i) => ({ address: `10.0.0.${i + 1}`, port: 80 }));
  const registry = new Registry({
    config: {
      ...defaults,
      retry: { ...defaults.retry, statuses: [503] },
      hedgeAfterMs: 9,
      routes: [
        routeConfig('/', 'web'),
        { ...routeConfig('/api', 'api'), strip: '/api', paths: 'strict' as const },
        { ...routeConfig('/api', 'other'), host: '*.example.org' },
      ],
      services: ['web', 'api', 'other'].map((service) => ({ service, instances, settings: {} })),
    },
    sources: [],
    addressPolicy: (rules, listeners) =>
      createAddressPolicy({ rules, consul: undefined, listeners, localAddresses: [] }),
    now: () => 0,
    random: () => 0,
  });
  return explain({ registry, steps: () => ['one', 'two'] }, method, url);
}

it('tells the route, which ones lost and why, the instances, and what a failure would mean', () => {
  expect(explained('GET', 'http://A.example.org/api/./x?y=1')).toMatchObject({
    verdict: 'routed',
    host: 'a.example.org',
    path: '/api/x',
    route: {
      route: '*.example.org/api',
      service: 'other',
      retry: 'repeated',
      retryStatuses: [503],
      hedgeAfterMs: 9,
    },
    others: [
      { route: '/api', service: 'api', why: '*.example.org/api is for a narrower host' },
      { route: '/', service: 'web', why: '*.example.org/api is for a narrower host' },
    ],
    endpoints: [{ address: '10.0.0.1', availability: 'available', health: 'healthy' }],
    steps: ['one', 'two'],
  });
  expect(explained('POST', 'http://b.example/api')).toMatchObject({
    route: { service: 'api', strip: '/api', retry: 'unsent', retryStatuses: [], hedgeAfterMs: 0 },
    others: [{ route: '/', why: '/api has a longer prefix' }],
  });
});

it('tells what is refused, and what the gateway answers itself', () => {
  const verdict = (method: string, url: string): string => explained(method, url).verdict;
  expect(verdict('GET', '/%2e%2e/%00')).toBe('bad_target');
  expect(verdict('TRACE', '/')).toBe('method_not_allowed');
  expect(verdict('GET', 'http://a b/')).toBe('bad_host');
  expect(verdict('GET', '/.well-known/roundhouse/x')).toBe('well_known');
  // Guarded: a careless reader takes it for one of /api.
  expect(explained('GET', 'http://c/API/x')).toMatchObject({
    verdict: 'no_route',
    others: [{ route: '/', why: expect.stringContaining('strict') as string }],
  });
});

it('shows some of many instances, and how many there are', () => {
  const { endpoints, instances } = explained('GET', '/api', 250);
  expect([endpoints.length, instances]).toEqual([100, 250]);
});
