import { parseDurationMs } from './duration.ts';
import { HttpError, notSupported } from './http-error.ts';
import type { CheckSource, CheckSpec, ConsulStatus, ServiceSpec } from './records.ts';

/** A registration: the service and its checks, in the order in which they were given. */
export interface Registration {
  readonly service: ServiceSpec;
  readonly checks: readonly CheckSpec[];
}

type JsonFields = Readonly<Record<string, unknown>>;

const serviceFields = ['ID', 'Name', 'Tags', 'Address', 'Meta', 'Port', 'Check', 'Checks', 'Weights'].concat(
  'TaggedAddresses',
);
const checkFields = ['CheckID', 'Name', 'Notes', 'Status', 'TTL', 'HTTP', 'Interval', 'Timeout'].concat(
  'DeregisterCriticalServiceAfter',
);
const minIntervalMs = 1_000;
const minDeregisterAfterMs = 60_000;
const defaultTimeoutMs = 10_000;
const maxWeight = 65_535;

const invalid = (why: string): HttpError => new HttpError(400, why);

/**
 * Decodes the body of `PUT /v1/agent/service/register` (services configuration reference). Throws 400 for what Consul
 * refuses (names, metadata, weights, checks), and 501 for fields that are not supported here.
 */
export function decodeRegistration(body: Buffer): Registration {
  const fields = objectOf(parse(body), 'A registration', serviceFields);
  const name = textOf(fields, 'Name');
  if (name === '') throw invalid('Missing service name');
  const id = textOf(fields, 'ID') || name;
  const address = textOf(fields, 'Address');
  if (['0.0.0.0', '::', '[::]'].includes(address)) throw invalid('Invalid service address');
  const several = fields['Checks'] ?? [];
  if (!Array.isArray(several)) throw invalid('Checks must be a list');
  const given: readonly unknown[] = [fields['Check'] ?? [], several].flat();
  return {
    service: {
      id,
      name,
      address,
      port: integerOf(fields, 'Port', 0),
      taggedAddresses: taggedAddressesOf(fields),
      tags: tagsOf(fields),
      meta: metaOf(fields),
      weights: weightsOf(fields),
    },
    checks: given.map((check, at) =>
      decodeCheck(check, {
        id: given.length === 1 ? `service:${id}` : `service:${id}:${at + 1}`,
        name: `Service '${name}' check`,
      }),
    ),
  };
}

function decodeCheck(value: unknown, defaults: { readonly id: string; readonly name: string }): CheckSpec {
  const fields = objectOf(value, 'A check', checkFields);
  const deregisterAfterMs = durationOf(fields, 'DeregisterCriticalServiceAfter');
  return {
    id: textOf(fields, 'CheckID') || defaults.id,
    name: textOf(fields, 'Name') || defaults.name,
    notes: textOf(fields, 'Notes'),
    status: statusOf(textOf(fields, 'Status') || 'critical'),
    source: sourceOf(fields),
    deregisterAfterMs: deregisterAfterMs > 0 ? Math.max(deregisterAfterMs, minDeregisterAfterMs) : undefined,
  };
}

function sourceOf(fields: JsonFields): CheckSource {
  const ttlMs = durationOf(fields, 'TTL');
  const intervalMs = durationOf(fields, 'Interval');
  const url = textOf(fields, 'HTTP');
  if (url === '') {
    if (ttlMs <= 0) throw invalid('Invalid check: TTL must be > 0 for TTL checks');
    return { kind: 'ttl', ttlMs };
  }
  if (ttlMs > 0) throw invalid('Invalid check: Interval and TTL cannot both be specified');
  if (intervalMs <= 0) throw invalid('Invalid check: Interval must be > 0 for HTTP checks');
  if (!/^https?:/i.test(url) || !URL.canParse(url)) throw invalid('Invalid check: HTTP must be a URL');
  const timeoutMs = durationOf(fields, 'Timeout') || defaultTimeoutMs;
  return { kind: 'http', url, intervalMs: Math.max(intervalMs, minIntervalMs), timeoutMs };
}

function statusOf(text: string): ConsulStatus {
  if (text === 'passing' || text === 'warning' || text === 'critical') return text;
  throw invalid("Status for checks must be 'passing', 'warning' or 'critical'");
}

function tagsOf(fields: JsonFields): readonly string[] {
  const tags = fields['Tags'] ?? [];
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string'))
    throw invalid('Tags must be a list of strings');
  return tags;
}

function taggedAddressesOf(fields: JsonFields): JsonFields | undefined {
  if (fields['TaggedAddresses'] === undefined) return undefined;
  const tagged = objectOf(fields['TaggedAddresses'], 'TaggedAddresses', undefined);
  for (const value of Object.values(tagged)) {
    const at = objectOf(value, 'A tagged address', ['Address', 'Port']);
    textOf(at, 'Address');
    integerOf(at, 'Port', 0);
  }
  return tagged;
}

function weightsOf(fields: JsonFields): ServiceSpec['weights'] {
  if (fields['Weights'] === undefined) return { passing: 1, warning: 1 };
  const weights = objectOf(fields['Weights'], 'Weights', ['Passing', 'Warning']);
  const passing = integerOf(weights, 'Passing', 0);
  const warning = integerOf(weights, 'Warning', 0);
  if (passing < 1) throw invalid('Invalid Weights: Passing must be greater than 0');
  if (warning < 0 || Math.max(passing, warning) > maxWeight)
    throw invalid(`Invalid Weights: Warning and Passing must be between 0 and ${maxWeight}`);
  return { passing, warning };
}

/** Consul's limits on metadata: 64 pairs, keys of 128 and values of 512 characters. */
function metaOf(fields: JsonFields): Record<string, string> | undefined {
  if (fields['Meta'] === undefined) return undefined;
  const pairs = Object.entries(objectOf(fields['Meta'], 'Meta', undefined));
  if (pairs.length > 64) throw invalid('Invalid Meta: more than 64 key/value pairs');
  return Object.fromEntries(
    pairs.map(([key, value]) => {
      if (!/^(?!consul-)[a-zA-Z0-9_-]{1,128}$/.test(key))
        throw invalid(`Invalid Meta: Key contains invalid characters, is reserved or too long: '${key}'`);
      if (typeof value !== 'string' || Buffer.byteLength(value) > 512)
        throw invalid(`Invalid Meta: Value is too long or no string: '${key}'`);
      return [key, value];
    }),
  );
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch (error) {
    throw invalid(`Request decode failed: ${error instanceof Error ? error.message : 'invalid JSON'}`);
  }
}

/** An object without its null fields. Throws 501 for a field that is not in `known`; undefined allows all. */
function objectOf(value: unknown, what: string, known: readonly string[] | undefined): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`Request decode failed: ${what} must be an object`);
  const entries = Object.entries(value).filter(([, held]) => held !== null);
  for (const [key] of entries)
    if (known?.includes(key) === false) throw notSupported(`${what} with the field ${JSON.stringify(key)}`);
  return Object.fromEntries(entries);
}

function textOf(fields: JsonFields, key: string): string {
  const value = fields[key] ?? '';
  if (typeof value !== 'string') throw invalid(`Request decode failed: ${key} must be a string`);
  return value;
}

function integerOf(fields: JsonFields, key: string, absent: number): number {
  const value = fields[key] ?? absent;
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw invalid(`Request decode failed: ${key} must be an integer`);
  return value;
}

/** Milliseconds of a duration field; 0 when it is absent. */
function durationOf(fields: JsonFields, key: string): number {
  const text = textOf(fields, key);
  const ms = text === '' ? 0 : parseDurationMs(text);
  if (ms === undefined) throw invalid(`Request decode failed: ${key}: invalid duration "${text}"`);
  return ms;
}
