import { parseGoBool, parseGoDuration, parseUint64 } from './go-values.ts';
import { notSupported, Refusal } from './refusal.ts';

/** Consul's bounds of a blocking query (api-docs/features/blocking): without `wait` 5 minutes, never more than 10. */
const defaultWaitMs = 300_000;
const maxWaitMs = 600_000;

/** What a read asks for beside its subject. */
export interface QueryOptions {
  /** Answer once the index is greater than this; 0 for at once. */
  readonly minIndex: number;
  /** How long it may block, jitter not included. */
  readonly waitMs: number;
  readonly consistency: 'leader' | 'stale' | 'consistent';
}

/** Reads `index`, `wait`, `stale`, `consistent`, `dc` and `ns`. Throws Consul's refusals for what it can't read. */
export function readQueryOptions(query: URLSearchParams, datacenter: string): QueryOptions {
  const stale = query.has('stale');
  const consistent = query.has('consistent');
  if (stale && consistent)
    throw new Refusal(400, 'Cannot specify ?stale with ?consistent, conflicting semantics.');
  const dc = query.get('dc') ?? '';
  if (dc !== '' && dc !== datacenter) throw new Refusal(500, 'No path to datacenter');
  for (const key of ['ns', 'partition']) {
    const value = query.get(key) ?? '';
    if (value !== '' && value !== 'default') throw notSupported(`?${key}=${value} is`);
  }
  for (const key of ['filter', 'peer', 'node-meta', 'sg'])
    if ((query.get(key) ?? '') !== '') throw notSupported(`?${key} is`);
  return {
    minIndex: readIndex(query.get('index') ?? ''),
    waitMs: readWait(query.get('wait') ?? ''),
    consistency: stale ? 'stale' : consistent ? 'consistent' : 'leader',
  };
}

function readIndex(text: string): number {
  const index = text === '' ? 0 : parseUint64(text);
  if (index === undefined) throw new Refusal(400, 'Invalid index');
  return index;
}

function readWait(text: string): number {
  const ms = text === '' ? 0 : parseGoDuration(text);
  if (ms === undefined) throw new Refusal(400, 'Invalid wait time');
  return ms > 0 ? Math.min(ms, maxWaitMs) : defaultWaitMs;
}

/** The whole time that a query may block: `wait` plus up to a sixteenth, so that not all come back at once. `random` is in 0..1. */
export function blockingTimeMs(waitMs: number, random: number): number {
  return waitMs + (waitMs / 16) * random;
}

/** A flag such as `?passing`: absent is false, present without a value true. Throws Consul's 400 for another value. */
export function readFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null) return false;
  const value = text === '' ? true : parseGoBool(text);
  if (value === undefined) throw new Refusal(400, `Invalid value for ?${name}`);
  return value;
}
