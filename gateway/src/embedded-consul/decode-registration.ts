import { isIPv4, isIPv6 } from 'node:net';

import { checkFields, decodeCheck } from './decode-check.ts';
import {
  readBoolean,
  readEntries,
  readFields,
  readInteger,
  readList,
  readRaw,
  readString,
  readStringList,
  readStringMap,
  says,
} from './fields.ts';
import type { CheckSpec, ServiceSpec, TaggedAddress } from './records.ts';
import { notSupported, Refusal } from './refusal.ts';

const serviceFields = [
  'Kind',
  'ID',
  'Name',
  'Tags',
  'Address',
  'TaggedAddresses',
  'Meta',
  'Port',
  'Check',
  'Checks',
  'Weights',
  'Token',
  'EnableTagOverride',
  'Proxy',
  'Connect',
  'Namespace',
  'Partition',
  'SocketPath',
  'Locality',
];

/** Service mesh, Enterprise and the like: refused rather than dropped. */
const unsupported = ['Kind', 'Proxy', 'Connect', 'SocketPath', 'Locality'];

const maxWeight = 65_535;

/** A registration: the service and its checks, in the order in which they were given. */
export interface Registration {
  readonly service: ServiceSpec;
  readonly checks: readonly CheckSpec[];
}

/**
 * Decodes the body of `PUT /v1/agent/service/register` under Consul's rules (services-configuration-reference, agent/service.go):
 * names, metadata limits, weights, generated check ids. Throws a {@link Refusal} with Consul's own words where it has some.
 */
export function decodeRegistration(body: unknown): Registration {
  const fields = readFields(body, serviceFields);
  const name = readString(fields, 'Name');
  const id = readString(fields, 'ID') || name;
  const meta = readStringMap(fields, 'Meta');
  if (name === '') throw new Refusal(400, 'Missing service name');
  for (const key of unsupported) if (says(fields, key)) throw notSupported(`${key} in a registration is`);
  for (const key of ['Namespace', 'Partition']) {
    const value = readString(fields, key);
    if (value !== '' && value !== 'default') throw notSupported(`${key} ${JSON.stringify(value)} is`);
  }
  const address = readString(fields, 'Address');
  if (['0.0.0.0', '::', '[::]'].includes(address)) throw new Refusal(400, 'Invalid service address');
  if (meta !== undefined) validateMeta(meta);
  const port = readInteger(fields, 'Port');
  return {
    service: {
      id,
      name,
      address,
      port,
      tags: readStringList(fields, 'Tags'),
      meta,
      taggedAddresses: withOwnAddress(readTaggedAddresses(readEntries(fields, 'TaggedAddresses')), {
        address,
        port,
      }),
      weights: readWeights(readRaw(fields, 'Weights')),
      enableTagOverride: readBoolean(fields, 'EnableTagOverride'),
    },
    checks: decodeChecks(readRaw(fields, 'Check'), readList(fields, 'Checks'), { id, name }),
  };
}

function decodeChecks(
  single: unknown,
  several: readonly unknown[],
  service: { readonly id: string; readonly name: string },
): readonly CheckSpec[] {
  const all = single === undefined ? several : [single, ...several];
  return all.map((value, position) => {
    const numbered =
      all.length === 1 ? `service:${service.id}` : `service:${service.id}:${String(position + 1)}`;
    return decodeCheck(readFields(value, checkFields), {
      id: numbered,
      name: `Service '${service.name}' check`,
    });
  });
}

function readWeights(value: unknown): ServiceSpec['weights'] {
  if (value === undefined) return { passing: 1, warning: 1 };
  const fields = readFields(value, ['Passing', 'Warning']);
  const passing = readInteger(fields, 'Passing');
  const warning = readInteger(fields, 'Warning');
  if (passing < 1) throw new Refusal(400, 'Invalid Weights: Passing must be greater than 0');
  if (warning < 0) throw new Refusal(400, 'Invalid Weights: Warning must be greater or equal than 0');
  if (passing > maxWeight || warning > maxWeight)
    throw new Refusal(400, 'Invalid Weights: DNS Weight must be between 0 and 65535');
  return { passing, warning };
}

function readTaggedAddresses(
  entries: readonly (readonly [string, unknown])[],
): Record<string, TaggedAddress> {
  return Object.fromEntries(
    entries.map(([tag, value]) => {
      const fields = readFields(value, ['Address', 'Port']);
      return [tag, { address: readString(fields, 'Address'), port: readInteger(fields, 'Port') }];
    }),
  );
}

/** Consul adds the service's own address under the names of its family, where nothing stands there. */
function withOwnAddress(given: Readonly<Record<string, TaggedAddress>>, own: TaggedAddress): typeof given {
  const family = isIPv4(own.address) ? 'ipv4' : isIPv6(own.address) ? 'ipv6' : undefined;
  if (family === undefined) return given;
  return { [`lan_${family}`]: own, [`wan_${family}`]: own, ...given };
}

function validateMeta(meta: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(meta);
  if (pairs.length > 64)
    throw new Refusal(400, 'Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs');
  for (const [key, value] of pairs) {
    const problem = metaProblem(key, value);
    if (problem !== undefined) {
      throw new Refusal(
        400,
        `Invalid Service Meta: Couldn't load metadata pair ('${key}', '${value}'): ${problem}`,
      );
    }
  }
}

function metaProblem(key: string, value: string): string | undefined {
  if (key === '') return 'Key cannot be blank';
  if (!/^[a-zA-Z0-9_-]+$/.test(key)) return 'Key contains invalid characters';
  if (key.length > 128) return 'Key is too long (limit: 128 characters)';
  if (key.startsWith('consul-')) return "Key prefix 'consul-' is reserved for internal use";
  return Buffer.byteLength(value) > 512 ? 'Value is too long (limit: 512 characters)' : undefined;
}
