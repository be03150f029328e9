import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readHostAddress } from './address.ts';
import { decodeCatalog, decodeHealth, type DecodedRecords } from './decode.ts';
import type { Instance } from './instance.ts';
import { RegistryError } from './registry-client.ts';
import { healthRecord, type HealthRecordOptions } from '../../../test/kit/health-record.ts';

const context = { service: 'api', cluster: 'default' };
const decode = (...records: unknown[]): ReturnType<typeof decodeHealth> => decodeHealth(records, context);

function only(options: HealthRecordOptions): Instance {
  const { instances, quarantined } = decode(healthRecord('a', options));
  expect(quarantined).toEqual([]);
  return instances[0]!;
}

function reason(options: HealthRecordOptions, id: unknown = 'a'): string {
  const { instances, quarantined } = decode(healthRecord('good'), healthRecord(id, options));
  expect(instances.map((instance) => instance.id)).toEqual(['good']);
  expect(quarantined).toHaveLength(1);
  return quarantined[0]!.reason;
}

describe('decodeHealth', () => {
  it('reads a record of a real agent', () => {
    expect(only({ meta: { version: '1' }, tags: ['x', 'urlprefix-/api'] })).toEqual({
      key: 'default/n1/a',
      cluster: 'default',
      node: 'n1',
      id: 'a',
      service: 'api',
      address: '10.0.0.4',
      port: 4000,
      tags: ['x', 'urlprefix-/api'],
      meta: { version: '1' },
      status: 'passing',
      weight: 1,
      createIndex: 7,
    });
  });

  it('takes no instance that says of itself that it speaks TLS, since requests go out as plain HTTP', () => {
    expect(reason({ meta: { 'roundhouse-scheme': 'https' } })).toMatch(/^it speaks .*https/);
  });

  it("falls back to the node's address and takes brackets off", () => {
    expect(only({ address: '' }).address).toBe('10.0.0.1');
    expect(only({ address: null }).address).toBe('10.0.0.1');
    expect(only({ address: '[2001:db8::1]' }).address).toBe('2001:db8::1');
  });

  it('takes null for no tags, no meta, no weights and no checks', () => {
    expect(only({ tags: null, meta: null, weights: null, checks: null })).toMatchObject({
      tags: [],
      meta: {},
      weight: 1,
      status: 'passing',
    });
  });

  it('reads a record that is the same object as before once, believed or not, and judges it among its siblings each time', () => {
    const known: DecodedRecords = new WeakMap();
    const [good, bad] = [healthRecord('a'), healthRecord('b', { port: 0 })];
    const first = decodeHealth([good, bad], context, known);
    const second = decodeHealth([good, good, bad], context, known);
    expect(second.instances[0]).toBe(first.instances[0]);
    expect(second.quarantined.map(({ reason }) => reason)).toEqual([
      first.quarantined[0]!.reason,
      'id "a" appears twice on node "n1"',
    ]);
  });

  it('sorts instances by key, whatever order they came in', () => {
    const { instances } = decode(
      healthRecord('b'),
      healthRecord('a', { node: 'n2', port: 1 }),
      healthRecord('a'),
    );
    expect(instances.map(({ key }) => key)).toEqual(['default/n1/a', 'default/n1/b', 'default/n2/a']);
  });

  it.each([
    'connect-proxy',
    'mesh-gateway',
    'terminating-gateway',
    'ingress-gateway',
    'api-gateway',
    'later',
  ])('takes a record of the kind %s for no instance', (kind) => {
    const record = healthRecord('proxy', { kind, tags: ['urlprefix-/shop'] });
    const { instances, quarantined } = decode(healthRecord('a', { kind: '' }), record);
    expect(instances.map(({ id }) => id)).toEqual(['a']);
    expect(quarantined).toMatchObject([
      { id: 'proxy', reason: `it is no instance, but of the kind "${kind}"` },
    ]);
  });

  it('takes records with one address, port and identity for one endpoint', () => {
    const at = (id: string, more: HealthRecordOptions) => healthRecord(id, { port: 80, ...more });
    const { instances, quarantined } = decode(
      at('moved', { node: 'n1', status: 'critical', tags: ['urlprefix-/old'], createIndex: 9 }),
      at('moved', { node: 'n2', tags: ['urlprefix-/new'], createIndex: 3 }),
      at('twice', { port: 81, createIndex: 1 }),
      at('again', { port: 81, createIndex: 2 }),
      at('sdk-1', { port: 82, meta: { 'roundhouse-identity': '1' } }),
      at('sdk-2', { port: 82, meta: { 'roundhouse-identity': '1' } }),
    );
    expect(instances.map(({ key }) => key)).toEqual([
      'default/n1/again',
      'default/n1/sdk-1',
      'default/n1/sdk-2',
      'default/n2/moved',
    ]);
    expect(instances[3]).toMatchObject({ status: 'passing', tags: ['urlprefix-/new', 'urlprefix-/old'] });
    expect(quarantined).toEqual([
      {
        node: 'n1',
        id: 'twice',
        reason: 'it is one endpoint with "again" on node "n1": same address, port and identity',
      },
      {
        node: 'n1',
        id: 'moved',
        reason: 'it is one endpoint with "moved" on node "n2": same address, port and identity',
      },
    ]);
  });

  it.each([
    [['passing', 'passing'], 'passing'],
    [['passing', 'warning'], 'warning'],
    [['critical', 'warning'], 'critical'],
  ])('aggregates the checks %j to %s', (statuses, status) => {
    const checks = statuses.map((text, index) => ({ CheckID: `c${index}`, Status: text }));
    expect(only({ checks }).status).toBe(status);
  });

  it('reads maintenance of the service or of its node as draining, over anything else', () => {
    const critical = { CheckID: 'x', Status: 'critical' };
    expect(
      only({ checks: [critical, { CheckID: '_service_maintenance:a', Status: 'critical' }] }).status,
    ).toBe('draining');
    expect(only({ checks: [{ CheckID: '_node_maintenance', Status: 'critical' }, critical] }).status).toBe(
      'draining',
    );
    expect(only({ checks: [{ CheckID: '_service_maintenance:b', Status: 'critical' }] }).status).toBe(
      'critical',
    );
  });

  it.each([
    [{ meta: { weight: '5' }, weights: { Passing: 2, Warning: 1 } }, 5],
    [{ meta: { weight: '5' }, weights: { Passing: 2, Warning: 3 }, status: 'warning' }, 3],
    [{ meta: { weight: '5' }, weights: null, status: 'warning' }, 5],
    [{ weights: { Passing: 2, Warning: 1 } }, 2],
    [{ meta: { weight: '65535' } }, 65_535],
    [{ meta: { weight: '0' } }, 1],
    [{ meta: { weight: '1.5' }, weights: { Passing: 4, Warning: 1 } }, 4],
    [{ meta: { weight: '1e3' } }, 1],
    [{ meta: { weight: '70000' } }, 1],
    [{ weights: { Passing: -1, Warning: 0 } }, 1],
    [{ weights: { Passing: 1.5, Warning: 0 }, status: 'warning' }, 1],
    [{ weights: 'heavy' }, 1],
  ])('weighs %j as %i', (options, weight) => {
    expect(only(options).weight).toBe(weight);
  });

  it('takes a record without a usable creation index for the youngest', () => {
    for (const createIndex of [null, -1, 1.5, '7', 2 ** 60])
      expect(only({ createIndex }).createIndex).toBe(Number.MAX_SAFE_INTEGER);
  });

  it.each<[HealthRecordOptions, RegExp]>([
    [{ port: 0 }, /port 0 /u],
    [{ port: 70_000 }, /port 70000 is not in 1\.\.65535/u],
    [{ port: 80.5 }, /port 80\.5/u],
    [{ port: '80' }, /port "80"/u],
    [{ address: '', nodeAddress: '' }, /neither/u],
    [{ address: 7 }, /address/u],
    [{ address: 'a\nb' }, /address "a\\nb"/u],
    [{ address: '10.0.0.1:80' }, /address/u],
    [{ tags: 'x' }, /tags/u],
    [{ tags: ['x', 7] }, /tag 7/u],
    [{ tags: Array.from({ length: 513 }, () => 'x') }, /513 tags/u],
    [{ tags: ['x'.repeat(4097)] }, /longer than 4096/u],
    [{ meta: { a: 1 } }, /meta "a"/u],
    [{ meta: ['a'] }, /meta/u],
    [{ meta: { a: 'x'.repeat(513) } }, /longer than/u],
    [{ meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) }, /65 meta pairs/u],
    [{ node: '' }, /node name/u],
    [{ node: 'a\u0000' }, /node name/u],
    [{ service: 'payments' }, /belongs to "payments"/u],
    [{ checks: 'x' }, /checks/u],
    [{ checks: [{ CheckID: 'x', Status: 'fine' }] }, /unknown status "fine"/u],
    [{ checks: [null] }, /unknown status/u],
  ])('quarantines the record with %j and keeps the rest', (options, expected) => {
    expect(reason(options)).toMatch(expected);
  });

  it('quarantines ids that are empty, no text, or hold control characters', () => {
    for (const id of ['', 7, null, 'a\u001b[31m', 'x'.repeat(600)]) expect(reason({}, id)).toMatch(/id/u);
  });

  it('keeps the first of two records with one id on one node', () => {
    const { instances, quarantined } = decode(healthRecord('a', { port: 1 }), healthRecord('a', { port: 2 }));
    expect(instances.map(({ port }) => port)).toEqual([1]);
    expect(quarantined).toEqual([{ node: 'n1', id: 'a', reason: 'id "a" appears twice on node "n1"' }]);
  });

  it('shows no control characters of a quarantined record', () => {
    const { quarantined } = decode(healthRecord('a\u001b[31m\n', { node: 'n\u0007' }));
    expect(JSON.stringify(quarantined)).not.toMatch(/u00|\\n/u);
  });

  it('quarantines what is no record at all', () => {
    expect(decode(null, 7, 'x', [], {}).quarantined).toHaveLength(5);
  });

  it('keeps at most a thousand quarantined records and counts the rest', () => {
    const { quarantined } = decodeHealth(
      Array.from({ length: 5000 }, () => 0),
      context,
    );
    expect(quarantined).toHaveLength(1001);
    expect(quarantined.at(-1)!.reason).toContain('4000 more');
  });

  it('is not confused by keys and ids named after parts of Object', () => {
    const body: unknown = JSON.parse(
      JSON.stringify([healthRecord('__proto__'), healthRecord('constructor')]).replaceAll(
        '"Meta":{}',
        '"Meta":{"__proto__":"x","toString":"y"}',
      ),
    );
    const { instances } = decodeHealth(body, context);
    expect(instances.map(({ id }) => id)).toEqual(['__proto__', 'constructor']);
    expect(Object.entries(instances[0]!.meta)).toEqual([
      ['__proto__', 'x'],
      ['toString', 'y'],
    ]);
    expect(instances[0]!.meta['hasOwnProperty']).toBeUndefined();
  });

  it.each([null, undefined, 'x', 7, {}, true])('refuses %j as a whole', (body) => {
    expect(() => decodeHealth(body, context)).toThrow(RegistryError);
  });

  it('survives structured clone', () => {
    const decoded = decode(healthRecord('a', { meta: { version: '1' } }), healthRecord('b', { port: 0 }));
    expect(structuredClone(decoded)).toEqual(decoded);
  });

  it('never throws anything else and never yields an invalid instance, whatever is changed in an answer', () => {
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(null, '', 0, -1, 70_000, 1.5, '\u0000', '::1', [], {}, undefined, 'draining'),
    );
    const body = [healthRecord('a'), healthRecord('b', { meta: { weight: '2' }, address: '::1' })];
    const paths = pathsOf(body);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...paths), junk), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const mutant = changes.reduce<unknown>(
            (value, [path, junk]) => replaced(value, path, junk),
            structuredClone(body),
          );
          try {
            decodeHealth(mutant, context).instances.forEach(expectValid);
          } catch (error) {
            if (!(error instanceof RegistryError)) throw error;
            expect(Array.isArray(mutant)).toBe(false);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('decodeCatalog', () => {
  it('reads service names with their tags', () => {
    expect(decodeCatalog({ web: [], api: ['b', 'a', 'b'] }, '7')).toEqual({
      index: '7',
      services: { api: ['a', 'b'], web: [] },
    });
  });

  it('leaves out entries that cannot be believed', () => {
    const body: unknown = JSON.parse('{"api":["a"],"x":"y","z":[1],"":[],"a\\nb":[],"__proto__":["p"]}');
    const { services, refused } = decodeCatalog(body, '7');
    expect(Object.keys(services).sort()).toEqual(['__proto__', 'api', 'z']);
    expect(services['constructor']).toBeUndefined();
    expect(refused).toEqual(['', 'a?b', 'x']);
  });

  it('takes every name that Consul takes and a path can ask for, once where names differ in case only', () => {
    const body = {
      'a.b': [],
      Shop: ['x'],
      shop: ['y', 'x'],
      a_b: [],
      'a b': [],
      'a/b': [],
      ü: [],
      '.': [],
      '..': [],
    };
    const { services, refused } = decodeCatalog(body, '7');
    expect({ ...services }).toEqual({ 'a.b': [], Shop: ['x', 'y'], a_b: [], 'a b': [], 'a/b': [], ü: [] });
    expect(refused).toEqual(['.', '..']);
  });

  it('takes the union of tags of any number of records, and leaves out the one that no record may have', () => {
    const hosts = Array.from({ length: 5000 }, (_, index) => `host-${index}`);
    const { services, refused } = decodeCatalog({ big: ['urlprefix-/big', 'x'.repeat(4097), ...hosts] }, '7');
    expect(services['big']).toHaveLength(5001);
    expect(services['big']).toContain('urlprefix-/big');
    expect(refused).toBeUndefined();
  });

  it.each([null, [], 'x', 7])('refuses %j as a whole', (body) => {
    expect(() => decodeCatalog(body, '7')).toThrow(RegistryError);
  });
});

/** Every place in a JSON value, as a list of keys. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

function replaced(value: unknown, path: readonly string[], junk: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return junk;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((child: unknown, index) =>
      String(index) === key ? replaced(child, rest, junk) : child,
    );
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, name === key ? replaced(child, rest, junk) : child]),
  );
}

function expectValid(instance: Instance): void {
  expect(instance.key).toBe(`${instance.cluster}/${instance.node}/${instance.id}`);
  expect(instance.id).toMatch(/^\P{Cc}+$/u);
  expect(instance.service).toBe('api');
  expect(readHostAddress(instance.address)).toBe(instance.address);
  expect(Number.isInteger(instance.port) && instance.port >= 1 && instance.port <= 65_535).toBe(true);
  expect(Number.isInteger(instance.weight) && instance.weight >= 1 && instance.weight <= 65_535).toBe(true);
  expect(instance.tags.every((tag) => typeof tag === 'string')).toBe(true);
  expect(Object.values(instance.meta).every((text) => typeof text === 'string')).toBe(true);
  expect(['passing', 'warning', 'critical', 'draining']).toContain(instance.status);
  expect(Number.isSafeInteger(instance.createIndex) && instance.createIndex >= 0).toBe(true);
}
