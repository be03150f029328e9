import { describe, expect, it } from 'vitest';

import { healthRecord } from '../../../test/kit/health-record.ts';
import { scriptedClient } from '../../../test/kit/scripted-client.ts';
import { RegistryError, type RegistryFailure, type ServiceDefinition } from '../discovery/registry-client.ts';

import type { Clock } from './clock.ts';
import { createReport, type ServiceEvent } from './log.ts';
import { createRegistrar } from './registrar.ts';
import { serviceDefinition } from './service-definition.ts';
import { registrarTiming } from './time-limits.ts';

/** Time that moves only when told to; timers fire in order, with everything they set off settled in between. */
function createManualClock(random = 0.5) {
  let now = 0;
  const timers = new Set<{ atMs: number; callback: () => void }>();
  const clock: Clock = {
    nowMs: () => now,
    random: () => random,
    setTimer: (delayMs, callback) => {
      const timer = { atMs: now + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const settle = async () => {
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
  };
  return {
    clock,
    settle,
    pending: () => timers.size,
    async advance(ms: number) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > end) break;
        now = next.atMs;
        timers.delete(next);
        next.callback();
      }
      now = end;
      await settle();
    },
  };
}

const answer = {
  index: undefined,
  knownLeader: undefined,
  lastContactMs: undefined,
  filteredByAcl: false,
} as const;

/** An agent in memory: fails or hangs on demand, and can forget everything. */
function createFakeAgent(nowMs: () => number) {
  const services = new Map<string, ServiceDefinition>();
  const maintenance = new Map<string, string>();
  const calls: string[] = [];
  const times: number[] = [];
  let trouble: RegistryFailure | 'hang' | undefined;
  const call = (name: string, signal: AbortSignal, act: () => void): Promise<void> => {
    calls.push(name);
    times.push(nowMs());
    if (trouble === 'hang') {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    }
    if (trouble !== undefined)
      return Promise.reject(new RegistryError(trouble, 'Cannot reach Consul at x (ECONNREFUSED)'));
    return Promise.resolve().then(act);
  };
  const known = (id: string) => {
    if (!services.has(id)) throw new RegistryError('not_found', `unknown ${id}`);
  };
  const scripted = scriptedClient({
    serviceHealth: async (_name, { signal }) => {
      await call('health', signal, () => undefined);
      const body = [...maintenance].map(([id, reason]) =>
        healthRecord(id, {
          address: services.get(id)?.Address ?? '',
          port: services.get(id)?.Port ?? 0,
          checks: [{ CheckID: `_service_maintenance:${id}`, Notes: reason }],
        }),
      );
      return { ...answer, body };
    },
    agentServices: async ({ signal }) => {
      await call('services', signal, () => undefined);
      const body = Object.fromEntries(
        [...services].map(([id, s]) => [
          id,
          { ID: id, Service: s.Name, Address: s.Address, Port: s.Port, Meta: s.Meta },
        ]),
      );
      return { ...answer, body };
    },
    agentService: async (id, { signal }) => {
      await call('record', signal, () => {
        known(id);
      });
      const { Name, Address, Port, Meta } = services.get(id)!;
      return { ...answer, body: { ID: id, Service: Name, Address, Port, Meta } };
    },
    registerService: (definition, signal) =>
      call('register', signal, () => services.set(definition.ID, definition)),
    deregisterService: (id, signal) =>
      call(`deregister ${id}`, signal, () => {
        known(id);
        services.delete(id);
      }),
    setMaintenance: (id, { enable, reason }, signal) =>
      call(`maintenance ${String(enable)}`, signal, () => {
        known(id);
        if (enable) maintenance.set(id, reason);
        else maintenance.delete(id);
      }),
    passCheck: (checkId, note, signal) =>
      call(`pass${note}`, signal, () => {
        known(checkId.split(':')[1] ?? '');
      }),
  });
  const client = Object.assign(scripted, { tokenChanges: 0 });
  return {
    client,
    services,
    maintenance,
    calls,
    times,
    breakDown: (how: RegistryFailure | 'hang') => (trouble = how),
    repair: () => (trouble = undefined),
  };
}

const facts = {
  id: 'api-1',
  name: 'api',
  port: 4000,
  taggedAddresses: {},
  scheme: undefined,
  routes: [],
  tags: [],
  meta: {},
  version: undefined,
  weight: 1,
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  ttlMs: 15_000,
  deregisterCriticalAfterMs: 60_000,
  answersIdentity: false,
  key: 'k1',
  check: undefined,
};

function setUp(address: () => Promise<string> = () => Promise.resolve('10.0.0.4'), idMayBeReused = false) {
  const time = createManualClock();
  const agent = createFakeAgent(() => time.clock.nowMs());
  const events: ServiceEvent[] = [];
  const dead = new Set<string>();
  const registrar = createRegistrar({
    client: agent.client,
    refusesConnections: ({ address: at, port }) => Promise.resolve(dead.has(`${at}:${port}`)),
    define: (at) => serviceDefinition(facts, at),
    resolveAddress: address,
    id: facts.id,
    idMayBeReused,
    timing: registrarTiming(15_000),
    clock: time.clock,
    report: createReport('api', (event) => events.push(event)),
  });
  const kinds = () => events.map((event) => event.kind);
  /** Another process registers the same id. */
  const rival = (at: string) => {
    agent.services.set(facts.id, serviceDefinition({ ...facts, key: `of ${at}` }, at));
  };
  const at = () => agent.services.get(facts.id)?.Address;
  return { time, agent, registrar, events, kinds, dead, rival, at };
}

describe('registrar', () => {
  it('registers, passes the TTL check at once and heartbeats every 5 s with a constant note', async () => {
    const { time, agent, registrar, kinds } = setUp();
    await registrar.start();
    expect(agent.calls).toEqual(['services', 'register', 'pass']);
    expect(registrar.state).toEqual({ state: 'registered', lastError: undefined, address: '10.0.0.4' });
    await time.advance(15_000);
    expect(agent.calls.slice(3)).toEqual(['pass', 'pass', 'pass']);
    expect(kinds()).toEqual(['registered']);
  });

  it('removes what a crashed predecessor left at the same address and port, and nothing else', async () => {
    const { agent, registrar } = setUp();
    const other = (change: Partial<typeof facts>, at = '10.0.0.4') => {
      agent.services.set(change.id ?? '', serviceDefinition({ ...facts, ...change }, at));
    };
    other({ id: 'api-zombie' });
    other({ id: 'api-neighbour', port: 4001 });
    other({ id: 'api-elsewhere' }, '10.0.0.5');
    other({ id: 'web-here', name: 'web' });
    await registrar.start();
    expect([...agent.services.keys()].sort()).toEqual([
      'api-1',
      'api-elsewhere',
      'api-neighbour',
      'web-here',
    ]);
  });

  it('ends the maintenance that a killed predecessor of the same id left, not that of an operator', async () => {
    const own = setUp(undefined, true);
    own.agent.maintenance.set('api-1', 'The service is stopping');
    await own.registrar.start();
    expect(own.agent.calls).toEqual(['services', 'register', 'pass', 'health', 'maintenance false']);
    expect(own.agent.maintenance.size).toBe(0);
    expect(own.kinds()).toEqual(['stale_instance_removed', 'registered']);
    await own.time.advance(60_000);
    expect(own.agent.calls.filter((name) => name === 'health')).toHaveLength(1);
    const operators = setUp(undefined, true);
    operators.agent.maintenance.set('api-1', 'disk is being replaced');
    await operators.registrar.start();
    expect(operators.agent.maintenance.size).toBe(1);
  });

  it('lets siblings on a shared port live once it is registered', async () => {
    const { time, agent, registrar } = setUp();
    await registrar.start();
    agent.services.clear();
    agent.services.set('api-sibling', serviceDefinition({ ...facts, id: 'api-sibling' }, '10.0.0.4'));
    await time.advance(60_000);
    expect([...agent.services.keys()].sort()).toEqual(['api-1', 'api-sibling']);
  });

  it('registers again at the next heartbeat when the agent has forgotten it', async () => {
    const { time, agent, registrar, kinds } = setUp();
    await registrar.start();
    agent.services.clear();
    await time.advance(5_000);
    expect(agent.services.has('api-1')).toBe(true);
    expect(registrar.state.state).toBe('registered');
    expect(kinds()).toEqual(['registered', 'registration_lost', 'registered']);
  });

  it('registers again at the next heartbeat when the token has changed', async () => {
    const { time, agent, registrar, events } = setUp();
    await registrar.start();
    agent.client.tokenChanges += 1;
    await time.advance(4_999);
    expect(agent.calls.filter((name) => name === 'register')).toHaveLength(1);
    await time.advance(1);
    expect(agent.calls.filter((name) => name === 'register')).toHaveLength(2);
    await time.advance(10_000);
    expect(agent.calls.filter((name) => name === 'register')).toHaveLength(2);
    expect(events.at(-1)?.message).toBe('the Consul token has changed; registering again');
  });

  it('does not spin when the check stays unknown although registering works', async () => {
    const { time, agent, registrar } = setUp();
    agent.client.passCheck = () => Promise.reject(new RegistryError('not_found', 'unknown check'));
    await registrar.start();
    await time.advance(60_000);
    expect(agent.calls.filter((name) => name === 'register').length).toBeLessThan(40);
  });

  it('says once when its registrations are with several agents, because a balancer is in between', async () => {
    const { time, agent, registrar, events } = setUp();
    const nodes = ['n1', 'n2'].map((node) => ({ node, services: new Set<string>() }));
    const health = agent.client.serviceHealth;
    let calls = 0;
    const next = () => nodes[(calls += 1) % 2] ?? { node: '', services: new Set<string>() };
    agent.client.registerService = ({ ID }) => {
      next().services.add(ID);
      return Promise.resolve();
    };
    agent.client.passCheck = () =>
      next().services.has('api-1')
        ? Promise.resolve()
        : Promise.reject(new RegistryError('not_found', 'unknown check'));
    agent.client.serviceHealth = async (name, options) => {
      next();
      const answer = await health(name, options);
      const rows = nodes.filter(({ services }) => services.size > 0);
      return { ...answer, body: rows.map(({ node }) => healthRecord('api-1', { node })) };
    };
    await registrar.start();
    await time.advance(60_000);
    expect(registrar.state.state).toBe('registered');
    const said = events.filter(({ kind }) => kind === 'several_agents');
    expect(said.map(({ level }) => level)).toEqual(['warn']);
    expect(said[0]?.message).toContain('the Consul agents of n1, n2');
  });

  it('comes up by itself when Consul is down at the start, and reports the outage once a minute', async () => {
    const { time, agent, registrar, events, kinds } = setUp();
    agent.breakDown('unreachable');
    await registrar.start();
    expect(registrar.state).toMatchObject({ state: 'registering', lastError: { failure: 'unreachable' } });
    await time.advance(50_000);
    expect(kinds()).toEqual(['registration_failed']);
    expect(events[0]?.message).toMatch(/^Cannot reach Consul at x \(ECONNREFUSED\); retrying in \d\.\d s/);
    await time.advance(20_000);
    expect(kinds()).toEqual(['registration_failed', 'registration_failed']);
    agent.repair();
    await time.advance(5_000);
    expect(registrar.state.state).toBe('registered');
  });

  it('is back within 15 s when the agent hangs, dies and comes back empty', async () => {
    const { time, agent, registrar } = setUp();
    await registrar.start();
    agent.breakDown('hang');
    await time.advance(21_000);
    agent.services.clear();
    agent.repair();
    await time.advance(15_000);
    expect(agent.services.has('api-1')).toBe(true);
    expect(registrar.state.state).toBe('registered');
  });

  it('repeats the registration every 30 s and follows a changed address', async () => {
    let address = '10.0.0.4';
    const { time, agent, registrar, kinds } = setUp(() => Promise.resolve(address));
    await registrar.start();
    address = '10.0.0.9';
    await time.advance(35_000);
    expect(agent.services.get('api-1')?.Address).toBe('10.0.0.9');
    expect(kinds()).toEqual(['registered', 'address_changed']);
    expect(registrar.state.address).toBe('10.0.0.9');
  });

  it('leaves the record to a living process with the same id, names it once and is back within 1 s of its end', async () => {
    const { time, registrar, events, dead, rival, at } = setUp(undefined, true);
    await registrar.start();
    rival('10.0.0.5');
    await time.advance(60_000);
    expect(at()).toBe('10.0.0.5');
    expect(registrar.state.state).toBe('registering');
    expect(events.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'another process registered api-1 at 10.0.0.5:4000; this one is at 10.0.0.4:4000 and gets requests again when that one has ended: give each its own id or none',
    ]);
    dead.add('10.0.0.5:4000');
    await time.advance(1_000);
    expect(at()).toBe('10.0.0.4');
    expect(registrar.state.state).toBe('registered');
  });

  it('reads its own record only, however often it looks for another process with its id', async () => {
    const { time, agent, registrar } = setUp(undefined, true);
    await registrar.start();
    await time.advance(60_000);
    // The list is read once, for what a crash left behind.
    expect(agent.calls.filter((name) => name === 'services')).toHaveLength(1);
    expect(agent.calls.filter((name) => name === 'record').length).toBeGreaterThan(10);
  });

  it('takes the record back at the next heartbeat from a process with the same id that is dead already', async () => {
    const { time, registrar, dead, rival, at } = setUp(undefined, true);
    await registrar.start();
    rival('10.0.0.5');
    dead.add('10.0.0.5:4000');
    await time.advance(5_000);
    expect(at()).toBe('10.0.0.4');
  });

  it('takes turns once per reconcile at most with a process that lives and refuses its connections', async () => {
    const { time, registrar, dead, rival, at } = setUp(undefined, true);
    await registrar.start();
    dead.add('10.0.0.5:4000');
    rival('10.0.0.5');
    await time.advance(5_000);
    rival('10.0.0.5');
    await time.advance(29_000);
    expect(at()).toBe('10.0.0.5');
  });

  it('takes the record back from a process with the same id that stops, or whose heartbeat is missing', async () => {
    const stopping = setUp(undefined, true);
    await stopping.registrar.start();
    stopping.rival('10.0.0.5');
    await stopping.time.advance(10_000);
    stopping.agent.maintenance.set('api-1', 'The service is stopping');
    await stopping.time.advance(1_000);
    expect(stopping.at()).toBe('10.0.0.4');
    expect(stopping.agent.maintenance.size).toBe(0);

    const hung = setUp(undefined, true);
    await hung.registrar.start();
    hung.rival('10.0.0.5');
    const passes = () => hung.agent.calls.filter((name) => name === 'pass').length;
    await hung.time.advance(10_000);
    expect(passes()).toBe(1);
    const checks = [{ CheckID: 'service:api-1:ttl', Status: 'critical' }];
    const body = [healthRecord('api-1', { address: '10.0.0.5', port: 4000, checks })];
    hung.agent.client.serviceHealth = () => Promise.resolve({ ...answer, body });
    await hung.time.advance(1_000);
    expect(hung.at()).toBe('10.0.0.4');
  });

  it('does not remove the record of another process with its id when it stops', async () => {
    const { agent, registrar, rival, at } = setUp(undefined, true);
    await registrar.start();
    rival('10.0.0.5');
    expect(await registrar.leave()).toBe('never_registered');
    await registrar.deregister();
    expect(at()).toBe('10.0.0.5');
    expect(agent.maintenance.size).toBe(0);
  });

  it('goes into maintenance, then deregisters, and leaves no timer behind', async () => {
    const { time, agent, registrar } = setUp();
    await registrar.start();
    expect(await registrar.leave()).toBe('announced');
    expect(agent.maintenance.has('api-1')).toBe(true);
    await registrar.deregister();
    expect(agent.services.size).toBe(0);
    expect(registrar.state.state).toBe('unregistered');
    expect(time.pending()).toBe(0);
    const before = agent.calls.length;
    await time.advance(60_000);
    expect(agent.calls.length).toBe(before);
  });

  it('ends at once when it is told to leave during a backoff', async () => {
    const { time, agent, registrar } = setUp();
    agent.breakDown('unreachable');
    await registrar.start();
    await time.advance(10_000);
    expect(await registrar.leave()).toBe('never_registered');
    await registrar.deregister();
    expect(time.pending()).toBe(0);
  });

  it('removes a registration whose answer never came', async () => {
    const { time, agent, registrar } = setUp();
    const register = agent.client.registerService.bind(agent.client);
    agent.client.registerService = async (definition, signal) => {
      await register(definition, signal);
      agent.breakDown('hang');
      await agent.client.passCheck('service:api-1:ttl', '', signal);
    };
    void registrar.start();
    await time.settle();
    const left = registrar.leave();
    await time.advance(1_000);
    agent.repair();
    await time.advance(1_000);
    expect(await left).not.toBe('never_registered');
    await registrar.deregister();
    expect(agent.services.size).toBe(0);
  });

  it('needs less than 10 s to give up on a Consul that does not answer a stop', async () => {
    const { time, agent, registrar, kinds } = setUp();
    await registrar.start();
    agent.breakDown('hang');
    let ended = false;
    void registrar
      .leave()
      .then(() => registrar.deregister())
      .then(() => (ended = true));
    await time.advance(9_999);
    expect(ended).toBe(true);
    expect(kinds().filter((kind) => kind === 'stop_step_failed')).toHaveLength(2);
    expect(time.pending()).toBe(0);
  });
});
