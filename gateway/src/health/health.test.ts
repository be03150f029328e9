import type { LookupFunction } from 'node:net';

import {
  compareSnapshots,
  type Endpoint,
  identityAnswer,
  type Instance,
  type SnapshotChange,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';
import { describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { defaults } from '../config/defaults.ts';
import type { CheckSettings } from '../config/gateway-config.ts';
import { createHealth, type Health, type HealthService } from './health.ts';
import { fakeInstance, record, type Behaviour, type FakeInstance } from './testing/fake-instance.ts';

async function fake(behaviour?: Behaviour): Promise<FakeInstance> {
  const started = await fakeInstance(behaviour);
  onTestFinished(() => started.stop());
  return started;
}

const lookup: LookupFunction = (name, _options, done) => {
  done(new Error(`${name} is not resolved in this test`), '');
};

const endpointOf = (instance: Instance): Endpoint => ({
  instance,
  inFlight: 3,
  total: 0,
  health: { state: 'healthy', failures: 0, ejections: 0, sinceMs: 0 },
  availability: 'available',
  check: 'unchecked',
  phase: instance.status === 'draining' ? 'draining' : 'serving',
  silence: 'none',
  hear: () => undefined,
});

/** Health over one service whose instances the test sets. */
function setUp(first: readonly Instance[], checks: Partial<CheckSettings> = {}) {
  const lines: string[] = [];
  const told: string[] = [];
  const ending = new AbortController();
  let view: HealthService | undefined;
  const write = (message: string): void => {
    lines.push(message);
  };
  /** The upstream stays the same; health uses only these members of it. */
  const upstream = {
    endpoints: [] as readonly Endpoint[],
    checked: (_key: string, verdict: string) => {
      told.push(verdict);
    },
    look: () => [],
  };
  const show = (listed: readonly Instance[], own: Partial<CheckSettings> = {}): SnapshotChange => {
    const after = { service: 'api', index: '1', instances: listed, quarantined: [], held: [] };
    const change = compareSnapshots(view?.snapshot, after);
    upstream.endpoints = listed.map(endpointOf);
    view = {
      service: 'api',
      upstream: upstream as unknown as Upstream,
      snapshot: change.after,
      settings: { checks: { ...defaults.checks, ...checks, ...own } },
    };
    return change;
  };
  show(first);
  const health = createHealth({
    services: {
      get: (name) => (name === 'api' ? view : undefined),
      names: () => ['api'],
    },
    gateway: () => 'gw-1',
    identity: () => 'verify',
    lookup,
    log: { info: write, warn: write },
    now: () => performance.now(),
    random: () => 0,
  });
  const run = health.run(ending.signal);
  const stop = async (): Promise<void> => {
    ending.abort();
    await run;
  };
  onTestFinished(stop);
  return {
    health,
    lines,
    told,
    stop,
    change: (listed: readonly Instance[], own?: Partial<CheckSettings>) => {
      health.serviceChanged({ service: 'api', instances: show(listed, own) });
    },
    /** Changes the settings without a change of the registry. */
    set: (own: Partial<CheckSettings>) => {
      show(view?.snapshot?.instances ?? [], own);
    },
    leave: () => {
      view = undefined;
    },
  };
}

const routingStatus = (health: Health, id = 'i1') => {
  const status = health.routingStatus({ service: 'api', id, key: 'k' });
  return status === undefined ? 'not told' : `${status.state}: ${status.reason}`;
};

const answers: Behaviour = (socket) => socket.write(identityAnswer('i1'));

describe('a new instance', () => {
  it('is told that it is live once it has been reached, without asking first', async () => {
    const instance = await fake(answers);
    const { health, change, leave } = setUp([]);
    expect(routingStatus(health)).toBe('not told');
    change([record(instance.port, { asked: true })]);
    await eventually(() => {
      expect(instance.accepted()).toBe(1);
    });
    await eventually(() => {
      expect(health.routingStatus({ service: 'api', id: 'i1', key: 'k' })).toEqual({
        gateway: 'gw-1',
        state: 'live',
        reason: '',
        inFlight: 3,
      });
    });
    expect(health.routingStatus({ service: 'api', id: 'i1', key: 'guessed' })).toBeUndefined();
    expect(instance.accepted()).toBe(1);
    change([record(instance.port, { asked: true, status: 'draining' })]);
    expect(routingStatus(health)).toBe('draining: ');
    change([]);
    expect(routingStatus(health)).toBe('not told');
    leave();
    expect(routingStatus(health)).toBe('not told');
  });

  it('is told why it cannot be reached, and that it can be, later', async () => {
    const instance = await fake(answers);
    const { health, change, lines } = setUp([]);
    change([record(instance.port, { asked: true, id: 'i2' })]);
    await eventually(() => {
      expect(routingStatus(health, 'i2')).toBe('out: wrong instance: another process answers at its address');
    });
    await eventually(() => {
      expect(lines).toEqual([
        "A new instance of api can't be reached: wrong instance: another process answers at its address.",
      ]);
    });
    change([record(instance.port, { asked: true })]);
    await eventually(() => {
      expect(routingStatus(health)).toBe('live: ');
    });
  });
});

describe('what a gateway finds at its start', () => {
  it('is probed when it asks how it stands', async () => {
    const [asks, quiet] = [await fake(), await fake()];
    const known = [record(asks.port), record(quiet.port, { id: 'i2' })];
    const { health, change } = setUp(known);
    expect(routingStatus(health)).toBe('out: not checked yet');
    await eventually(() => {
      expect(routingStatus(health)).toBe('live: ');
    });
    change([...known, record(asks.port, { id: 'i3' })]);
    await eventually(() => {
      expect(routingStatus(health, 'i3')).toBe('live: ');
    });
    expect(quiet.accepted()).toBe(0);
  });
});

describe('the checks of the gateway', () => {
  it('take an instance out and bring it back, say so, and are part of its routing status', async () => {
    let status = 200;
    const instance = await fake((socket) => socket.end(`HTTP/1.1 ${status} X\r\n\r\n`));
    const { health, lines, told } = setUp([record(instance.port)], {
      kind: 'http',
      intervalMs: 10,
      timeoutMs: 1_000,
    });
    await eventually(() => {
      expect(told).toEqual(['up']);
    });
    status = 503;
    await eventually(() => {
      expect(told).toEqual(['up', 'down']);
    });
    expect(health.check('api', record(instance.port))).toEqual({ verdict: 'down', reason: 'answered 503' });
    expect(routingStatus(health)).toBe('out: fails the checks of this gateway: answered 503');
    status = 302;
    await eventually(() => {
      expect(told).toEqual(['up', 'down', 'up']);
    });
    expect(lines).toEqual([
      'An instance of api fails its checks and is left out: answered 503.',
      'An instance of api passes its checks again.',
    ]);
  });

  it.each<[string, Partial<Instance>, readonly string[]]>([
    ['registered anew', { createIndex: 2 }, ['up', 'unchecked', 'up']],
    ['at another address', { address: '::ffff:127.0.0.1' }, ['up', 'unchecked', 'up']],
    ['draining', { status: 'draining' }, ['up', 'unchecked']],
    ['tagged otherwise', { tags: ['x'] }, ['up']],
  ])('know what stays true of an instance that is %s', async (_name, fields, verdicts) => {
    const instance = await fake((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
    const { told, change } = setUp([record(instance.port)], { kind: 'http', intervalMs: 10 });
    await eventually(() => {
      expect(told).toEqual(['up']);
    });
    const accepted = instance.accepted();
    const other = record(instance.port, { id: 'i2', status: 'draining' });
    change([record(instance.port, fields), other]);
    await eventually(() => {
      expect(told).toEqual(verdicts);
    });
    if (fields.status !== 'draining') {
      await eventually(() => {
        expect(instance.accepted()).toBeGreaterThan(accepted + 1);
      });
    }
    change([]);
    expect(told.at(-1)).toBe('unchecked');
  });

  it('follow the settings of their service, by a change or when the gateway is configured anew', async () => {
    const instance = await fake((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
    const { health, told, change, set } = setUp([record(instance.port)]);
    change([record(instance.port)], { kind: 'http', intervalMs: 10 });
    await eventually(() => {
      expect(told).toEqual(['up']);
    });
    set({ kind: 'http', intervalMs: 10, path: '/other' });
    expect(told).toEqual(['up']);
    health.reconfigure();
    expect(told).toEqual(['up', 'unchecked']);
    await eventually(() => {
      expect(instance.received()).toContain('GET /other');
      expect(told).toEqual(['up', 'unchecked', 'up']);
    });
    set({ kind: 'off' });
    health.reconfigure();
    expect(told).toEqual(['up', 'unchecked', 'up', 'unchecked']);
    set({ kind: 'tcp', intervalMs: 10 });
    health.reconfigure();
    await eventually(() => {
      expect(told).toEqual(['up', 'unchecked', 'up', 'unchecked', 'up']);
    });
  });

  it('end with the signal, and leave no socket', async () => {
    const mute = await fake();
    const { health, change, stop } = setUp([record(mute.port)], {
      kind: 'http',
      intervalMs: 10,
      timeoutMs: 5_000,
    });
    await eventually(() => {
      expect(mute.received()).not.toBe('');
    });
    await stop();
    await eventually(() => {
      expect(mute.connections()).toBe(0);
    });
    change([record(mute.port), record(mute.port, { id: 'i2' })]);
    const accepted = mute.accepted();
    expect(routingStatus(health)).toBe('out: not checked yet');
    expect(mute.accepted()).toBe(accepted);
  });
});

it('probes instances that are held', async () => {
  const instance = await fake(answers);
  const { health } = setUp([]);
  const { signal } = new AbortController();
  const right = record(instance.port, { asked: true });
  const wrong = record(instance.port, { asked: true, id: 'i2' });
  expect(await health.probeHeld(right, signal)).toBeUndefined();
  expect(await health.probeHeld(wrong, signal)).toBe(
    'wrong instance: another process answers at its address',
  );
  // A cancelled probe says nothing about the instance.
  expect(await health.probeHeld(wrong, AbortSignal.abort())).toBeUndefined();
});
