import { expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createAddressPolicy } from '../registry/addresses/address-policy.ts';
import { Registry } from '../registry/registry.ts';
import { readStatus } from './read-status.ts';
import type { GatewaySummary } from './status.ts';

/** The status of a registry that follows nothing yet and has a fixed list for `api-service`. */
function world(config: Partial<GatewayConfig> = {}) {
  const instances = [
    { address: '10.0.0.1', port: 80 },
    { address: '10.0.0.2', port: 80 },
  ];
  const registry = new Registry({
    config: {
      ...defaults,
      services: [{ service: 'api-service', instances, settings: { balance: 'consistent-hash' } }],
      ...config,
    },
    sources: [],
    addressPolicy: (rules, listeners) =>
      createAddressPolicy({ rules, consul: undefined, listeners, localAddresses: [] }),
    now: () => 0,
    random: () => 0,
  });
  const state: { phase: GatewaySummary['phase'] } = { phase: 'serving' };
  const status = readStatus({
    registry,
    engine: {
      name: 'wire',
      stats: () => ({ clientConnections: 3, exchanges: 2, upstreamConnections: 1 }),
    },
    health: { check: () => ({ verdict: 'down', reason: 'answered 503' }) },
    phase: () => state.phase,
    now: () => 2_600,
    startedMs: 1_000,
    version: '1.2.3',
    consul: 'http://127.0.0.1:8500',
  });
  return { status, state };
}

it('shows routes and services with their settings, instances and checks', () => {
  const { status } = world();
  expect(status.routes()).toMatchObject([
    { prefix: '/api', service: 'api-service', source: 'default', state: 'active' },
  ]);
  const services = status.services().map((row) => ({ ...row, instances: [...row.instances] }));
  expect(services).toMatchObject([
    {
      service: 'api-service',
      registry: 'fixed',
      balance: 'consistent-hash',
      settings: { hash: 'client-ip', checks: 'off' },
      panic: 'calm',
      instances: [
        {
          address: '10.0.0.1',
          health: 'healthy',
          check: 'down',
          checkReason: 'answered 503',
          listing: 'listed',
        },
        { address: '10.0.0.2' },
      ],
    },
    { service: 'webapp-service', registry: 'syncing', settings: { hash: undefined }, instances: [] },
  ]);
});

it('sums up the gateway', () => {
  expect(world().status.summary()).toMatchObject({
    engine: 'wire',
    version: '1.2.3',
    phase: 'serving',
    uptimeSeconds: 2,
    routes: 1,
    services: 2,
    instances: 2,
    clientConnections: 3,
    ready: { ready: false },
  });
});

it('is ready when every routed service has an answer and the gateway is not draining', () => {
  const waiting = world();
  expect(waiting.status.readiness()).toEqual({
    ready: false,
    detail: 'waiting for the first answer on webapp-service',
  });
  const { status, state } = world({ routes: defaults.routes.slice(0, 1) });
  expect(status.readiness()).toEqual({ ready: true, detail: 'ready' });
  state.phase = 'draining';
  expect(status.readiness()).toEqual({ ready: false, detail: 'draining' });
});
