import { describe, expect, it } from 'vitest';

import { AgentCatalog, type CatalogLimits } from './agent-catalog.ts';
import type { Topic } from './blocked-queries.ts';
import { decodeRegistration } from './decode-registration.ts';

const minuteMs = 60_000;

interface Made {
  readonly catalog: AgentCatalog;
  readonly topics: Topic[];
  register(body: object, nowMs?: number): void;
}

function make(limits: CatalogLimits = { services: 10, checks: 10 }): Made {
  const topics: Topic[] = [];
  let index = 10;
  const catalog = new AgentCatalog({
    limits,
    nextIndex: () => ++index,
    onChange: (topic) => topics.push(topic),
  });
  return {
    catalog,
    topics,
    register(body, nowMs = 0) {
      catalog.register(decodeRegistration(Buffer.from(JSON.stringify(body))), nowMs);
    },
  };
}

const ttl = (extra: object = {}): object => ({ CheckID: 't', TTL: '10s', Status: 'passing', ...extra });

describe('the catalog of the embedded agent', () => {
  it('announces a registration once it is complete, and tells its health apart from the list of services', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    expect(topics).toEqual(['service:api', 'services']);
    const listed = catalog.servicesIndex();
    expect(catalog.indexOf('api')).toBe(listed);
    topics.length = 0;
    catalog.update('t', { status: 'warning', output: '' }, 1);
    expect(topics).toEqual(['service:api']);
    expect(catalog.servicesIndex()).toBe(listed);
    expect(catalog.indexOf('api')).toBeGreaterThan(listed);
  });

  it('draws no index and wakes no query for a registration or heartbeat that changes nothing', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    const before = catalog.indexOf('api');
    topics.length = 0;
    register({ Name: 'api', Check: ttl() }, 5);
    catalog.update('t', { status: 'passing', output: 'new output' }, 6);
    expect(topics).toEqual([]);
    expect(catalog.indexOf('api')).toBe(before);
    expect(catalog.check('t')?.output).toBe('');
  });

  it('wakes the queries of a service for a changed definition of a check', () => {
    const { topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    topics.length = 0;
    register({ Name: 'api', Check: ttl({ TTL: '20s' }) });
    expect(topics).toEqual(['service:api']);
  });

  it('expires a TTL check exactly when its time is up, once', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    catalog.expireTtls(9_999);
    expect(catalog.check('t')?.status).toBe('passing');
    catalog.expireTtls(10_000);
    expect(catalog.check('t')).toMatchObject({ status: 'critical', output: 'TTL expired' });
    topics.length = 0;
    catalog.expireTtls(30_000);
    expect(topics).toEqual([]);
  });

  it('gives a TTL check its whole time again with each update and each registration', () => {
    const { catalog, register } = make();
    register({ Name: 'api', Check: ttl() });
    catalog.update('t', { status: 'passing', output: 'hello' }, 8_000);
    catalog.expireTtls(17_999);
    register({ Name: 'api', Check: ttl() }, 17_999);
    catalog.expireTtls(27_998);
    expect(catalog.check('t')?.status).toBe('passing');
    catalog.expireTtls(27_999);
    expect(catalog.check('t')?.output).toBe('TTL expired');
  });

  it('removes a service only after a check has been critical for its whole time, counted from the last change', () => {
    const { catalog, register } = make();
    register({ Name: 'api', Check: ttl({ DeregisterCriticalServiceAfter: '90s' }) });
    catalog.expireTtls(10_000);
    expect(catalog.removeCritical(100_000)).toEqual([]);
    catalog.update('t', { status: 'passing', output: '' }, 100_000);
    catalog.update('t', { status: 'critical', output: '' }, 101_000);
    catalog.update('t', { status: 'critical', output: 'still' }, 150_000);
    expect(catalog.removeCritical(191_000)).toEqual([]);
    const before = catalog.indexOf('api');
    expect(catalog.removeCritical(191_001)).toEqual(['api']);
    expect(catalog.instances('api')).toEqual([]);
    expect(catalog.check('t')).toBeUndefined();
    expect(catalog.indexOf('api')).toBeGreaterThan(before);
  });

  it('raises a deregistration time below one minute to one minute, and never removes without one', () => {
    const { catalog, register } = make();
    register({
      Name: 'a',
      Check: ttl({ CheckID: 'a', DeregisterCriticalServiceAfter: '1s', Status: 'critical' }),
    });
    register({ Name: 'b', Check: ttl({ CheckID: 'b', Status: 'critical' }) });
    expect(catalog.removeCritical(minuteMs)).toEqual([]);
    expect(catalog.removeCritical(minuteMs + 1)).toEqual(['a']);
    expect(catalog.removeCritical(minuteMs * 1_000)).toEqual([]);
  });

  it('never removes for a maintenance check', () => {
    const { catalog, register } = make();
    register({ Name: 'a', Check: ttl({ DeregisterCriticalServiceAfter: '1m' }) });
    catalog.setMaintenance('a', '');
    expect(catalog.removeCritical(minuteMs * 10)).toEqual([]);
  });

  it('changes nothing at all when a registration does not fit', () => {
    const { catalog, topics, register } = make({ services: 1, checks: 1 });
    register({ Name: 'a' });
    expect(() => {
      register({ Name: 'b' });
    }).toThrow(/at most 1 services/);
    expect(() => {
      register({ Name: 'a', Port: 1, Checks: [ttl(), ttl({ CheckID: 'u' })] });
    }).toThrow(/at most 1 checks/);
    expect(catalog.instances('a')[0]?.spec.port).toBe(0);
    expect(topics).toEqual(['service:a', 'services']);
  });

  it('keeps hostile names apart from the language', () => {
    const { catalog, register } = make();
    for (const name of ['__proto__', 'constructor', 'toString']) register({ Name: name });
    expect(catalog.instances('__proto__')).toHaveLength(1);
    expect(catalog.instances('hasOwnProperty')).toEqual([]);
    expect(catalog.deregister('constructor')).toBe(true);
  });

  it('moves a check whose id another service claims, and tells both', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'a', Check: ttl() });
    topics.length = 0;
    register({ Name: 'b', Check: ttl() });
    expect(catalog.instances('a')[0]?.checks).toEqual([]);
    expect(catalog.instances('b')[0]?.checks).toHaveLength(1);
    expect(topics).toEqual(expect.arrayContaining(['service:a', 'service:b']));
  });

  it('moves an id to another name, and tells both', () => {
    const { catalog, topics, register } = make();
    register({ ID: 'x', Name: 'a' });
    const before = catalog.indexOf('a');
    topics.length = 0;
    register({ ID: 'x', Name: 'b' });
    expect(catalog.instances('a')).toEqual([]);
    expect(catalog.instances('b')).toHaveLength(1);
    expect(topics).toEqual(expect.arrayContaining(['service:a', 'service:b', 'services']));
    expect(catalog.indexOf('a')).toBeGreaterThan(before);
  });
});
