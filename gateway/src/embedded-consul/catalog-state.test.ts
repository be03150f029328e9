import { describe, expect, it } from 'vitest';

import { type CatalogLimits, type CatalogState, createCatalogState } from './catalog-state.ts';
import { decodeRegistration } from './decode-registration.ts';
import { createIndexBook, type IndexBook, type Topic } from './table-index.ts';

const node = { id: 'n', name: 'node', address: '127.0.0.1', datacenter: 'dc1' };
const minuteMs = 60_000;

interface Made {
  readonly catalog: CatalogState;
  readonly indexes: IndexBook;
  readonly topics: Topic[];
  register(body: object, nowMs?: number): void;
}

function make(limits: CatalogLimits = { services: 10, checks: 10 }): Made {
  const topics: Topic[] = [];
  const indexes = createIndexBook(10);
  const catalog = createCatalogState(node, indexes, limits, (topic) => topics.push(topic));
  topics.length = 0;
  return {
    catalog,
    indexes,
    topics,
    register(body, nowMs = 0) {
      catalog.registerService(decodeRegistration(body), 'keep', nowMs);
    },
  };
}

const ttl = (extra: object = {}): object => ({ CheckID: 't', TTL: '10s', Status: 'passing', ...extra });

describe('the catalog of the embedded agent', () => {
  it('gives all of one registration the same index and announces it once it is complete', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    const [service] = catalog.servicesNamed('api');
    const [check] = catalog.checksOf('api');
    expect(check?.createIndex).toBe(service?.createIndex);
    expect(topics).toEqual(['service:api', 'service-checks:api', 'services', 'checks']);
  });

  it('draws no index and wakes nobody for a registration or heartbeat that changes nothing', () => {
    const { catalog, indexes, topics, register } = make();
    register({ Name: 'api', Check: ttl() });
    const before = indexes.service('api');
    topics.length = 0;
    register({ Name: 'api', Check: ttl() }, 5);
    catalog.updateCheck('t', 'passing', 'new output', 6);
    expect(topics).toEqual([]);
    expect(indexes.service('api')).toBe(before);
    expect(catalog.check('t')).toMatchObject({ output: 'new output', catalogOutput: '' });
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
    catalog.updateCheck('t', 'passing', 'hello', 8_000);
    catalog.expireTtls(17_999);
    register({ Name: 'api', Check: ttl() }, 17_999);
    catalog.expireTtls(27_998);
    expect(catalog.check('t')?.status).toBe('passing');
    catalog.expireTtls(27_999);
    expect(catalog.check('t')?.output).toBe('TTL expired (last output before timeout follows): hello');
  });

  it('reaps a service only after a check has been critical for its whole time, counted from the last change', () => {
    const { catalog, indexes, register } = make();
    register({ Name: 'api', Check: ttl({ DeregisterCriticalServiceAfter: '90s' }) });
    catalog.expireTtls(10_000);
    expect(catalog.reapCritical(100_000)).toEqual([]);
    catalog.updateCheck('t', 'passing', '', 100_000);
    catalog.updateCheck('t', 'critical', '', 101_000);
    catalog.updateCheck('t', 'critical', 'still', 150_000);
    expect(catalog.reapCritical(191_000)).toEqual([]);
    const before = indexes.service('api');
    expect(catalog.reapCritical(191_001)).toEqual(['api']);
    expect(catalog.service('api')).toBeUndefined();
    expect(catalog.checksOf('api')).toEqual([]);
    expect(indexes.service('api')).toBeGreaterThan(before);
  });

  it('raises a deregistration time below one minute to one minute, and never reaps without one', () => {
    const { catalog, register } = make();
    register({
      Name: 'a',
      Check: ttl({ CheckID: 'a', DeregisterCriticalServiceAfter: '1s', Status: 'critical' }),
    });
    register({ Name: 'b', Check: ttl({ CheckID: 'b', Status: 'critical' }) });
    expect(catalog.reapCritical(minuteMs)).toEqual([]);
    expect(catalog.reapCritical(minuteMs + 1)).toEqual(['a']);
    expect(catalog.reapCritical(minuteMs * 1_000)).toEqual([]);
  });

  it('never reaps for a maintenance check', () => {
    const { catalog, register } = make();
    register({ Name: 'a', Check: ttl({ DeregisterCriticalServiceAfter: '1m' }) });
    catalog.setMaintenance('a', { on: true, reason: '' }, 0);
    expect(catalog.reapCritical(minuteMs * 10)).toEqual([]);
  });

  it('changes nothing at all when a registration does not fit', () => {
    const { catalog, topics, register } = make({ services: 2, checks: 2 });
    register({ Name: 'a' });
    expect(() => {
      register({ Name: 'b' });
    }).toThrow(/at most 2 services/);
    expect(() => {
      register({ Name: 'a', Port: 1, Checks: [ttl(), ttl({ CheckID: 'u' })] });
    }).toThrow(/at most 2 checks/);
    expect(catalog.service('a')?.spec.port).toBe(0);
    expect(topics).toEqual(['service:a', 'services']);
  });

  it('keeps hostile names apart from the language', () => {
    const { catalog, register } = make();
    for (const name of ['__proto__', 'constructor', 'toString']) register({ Name: name });
    expect(catalog.servicesNamed('__proto__')).toHaveLength(1);
    expect(catalog.servicesNamed('hasOwnProperty')).toEqual([]);
    expect(catalog.deregisterService('constructor')).toBe('found');
  });

  it('moves a check whose id another service claims, and tells both', () => {
    const { catalog, topics, register } = make();
    register({ Name: 'a', Check: ttl() });
    topics.length = 0;
    register({ Name: 'b', Check: ttl() });
    expect(catalog.checksOf('a')).toEqual([]);
    expect(catalog.checksOf('b')).toHaveLength(1);
    expect(topics).toEqual(expect.arrayContaining(['service:a', 'service:b']));
  });

  it("cannot be talked out of Consul's own service and the node's own check", () => {
    const { catalog } = make();
    expect(catalog.deregisterService('consul')).toBe('unknown');
    expect(catalog.deregisterCheck('serfHealth')).toBe('unknown');
    expect(catalog.setMaintenance('consul', { on: true, reason: '' }, 0)).toBe('unknown');
  });
});
