import { parseGoDuration } from './go-values.ts';
import { Refusal } from './refusal.ts';

/** A decoded JSON object, read the way Go reads it: keys without regard to case (and here `_`), null as absent. */
export type Fields = ReadonlyMap<string, unknown>;

const plainKey = (key: string): string => key.toLowerCase().replaceAll('_', '');

function mismatch(value: unknown, key: string, goType: string): Refusal {
  const found = Array.isArray(value) ? 'array' : value === true || value === false ? 'bool' : typeof value;
  return new Refusal(
    400,
    `Request decode failed: json: cannot unmarshal ${found} into Go struct field .${key} of type ${goType}`,
  );
}

/** Parses a request body. Throws Consul's 400 when it is not JSON. */
export function parseJsonBody(body: Buffer): unknown {
  const text = body.toString('utf8');
  if (text.trim() === '') throw new Refusal(400, 'Request decode failed: EOF');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(
      400,
      `Request decode failed: ${error instanceof Error ? error.message : 'invalid JSON'}`,
    );
  }
}

/** Takes an object apart. Throws Consul's 400 for anything but an object and for keys that it does not know. */
export function readFields(value: unknown, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'Request decode failed: json: cannot unmarshal a value that is not an object');
  const allowed = new Set(known.map(plainKey));
  const fields = new Map<string, unknown>();
  for (const [key, held] of Object.entries(value)) {
    if (!allowed.has(plainKey(key)))
      throw new Refusal(400, `Request decode failed: json: unknown field "${key}"`);
    if (held !== null) fields.set(plainKey(key), held);
  }
  return fields;
}

const held = (fields: Fields, key: string): unknown => fields.get(plainKey(key));

/** Whether the object says anything under this key: absent, null, false, '', 0, [] and {} say nothing. */
export function says(fields: Fields, key: string): boolean {
  const value = held(fields, key);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== false && value !== '' && value !== 0;
}

export function readString(fields: Fields, key: string): string {
  const value = held(fields, key) ?? '';
  if (typeof value !== 'string') throw mismatch(value, key, 'string');
  return value;
}

export function readInteger(fields: Fields, key: string): number {
  const value = held(fields, key) ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw mismatch(value, key, 'int');
  return value;
}

export function readBoolean(fields: Fields, key: string): boolean {
  const value = held(fields, key) ?? false;
  if (typeof value !== 'boolean') throw mismatch(value, key, 'bool');
  return value;
}

export function readStringList(fields: Fields, key: string): readonly string[] {
  const value = held(fields, key) ?? [];
  if (!Array.isArray(value)) throw mismatch(value, key, '[]string');
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw mismatch(item, key, 'string');
    return item;
  });
}

/** The entries of a map; none when it is absent. */
export function readEntries(fields: Fields, key: string): readonly (readonly [string, unknown])[] {
  const value = held(fields, key) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, key, 'map');
  return Object.entries(value);
}

/** A map of strings; undefined when it is absent. */
export function readStringMap(fields: Fields, key: string): Readonly<Record<string, string>> | undefined {
  if (held(fields, key) === undefined) return undefined;
  return Object.fromEntries(
    readEntries(fields, key).map(([name, value]) => {
      if (typeof value !== 'string') throw mismatch(value, key, 'string');
      return [name, value];
    }),
  );
}

/** The values of a list; none when it is absent. */
export function readList(fields: Fields, key: string): readonly unknown[] {
  const value = held(fields, key) ?? [];
  if (!Array.isArray(value)) throw mismatch(value, key, 'slice');
  return value;
}

/** Milliseconds of a Go duration, given as text or as a number of nanoseconds; 0 when it is absent. */
export function readDurationMs(fields: Fields, key: string): number {
  const value = held(fields, key) ?? 0;
  if (typeof value === 'number') return value / 1e6;
  if (typeof value !== 'string') throw mismatch(value, key, 'time.Duration');
  const ms = value === '' ? 0 : parseGoDuration(value);
  if (ms === undefined)
    throw new Refusal(400, `Request decode failed: time: invalid duration ${JSON.stringify(value)}`);
  return ms;
}

/** The value itself, undecoded; undefined when it is absent. */
export function readRaw(fields: Fields, key: string): unknown {
  return held(fields, key);
}
