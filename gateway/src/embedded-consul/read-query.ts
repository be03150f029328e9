import { parseDurationMs } from './duration.ts';
import { HttpError, notSupported } from './http-error.ts';

/** Consul's bounds of a blocking query (api-docs/features/blocking): 5 minutes without `wait`, never more than 10. */
const defaultWaitMs = 300_000;
const maxWaitMs = 600_000;

/** Options that cannot change an answer of a single agent. */
const harmless = ['stale', 'consistent', 'cached', 'near', 'token'];

/** How long a read may block. */
export interface BlockingOptions {
  /** Answer once the index is greater than this; 0 for at once. */
  readonly minIndex: number;
  /** Without the jitter. */
  readonly waitMs: number;
}

/**
 * Refuses what would change the answer and is not implemented: 501 for an option outside of `allowed` or another namespace,
 * 500 for another datacenter, as Consul answers.
 */
export function checkQuery(query: URLSearchParams, allowed: readonly string[], datacenter: string): void {
  for (const [key, value] of query) {
    if (allowed.includes(key) || harmless.includes(key)) continue;
    if (key === 'dc' && value !== '' && value !== datacenter)
      throw new HttpError(500, 'No path to datacenter');
    const isDefault = ['ns', 'partition'].includes(key) && ['', 'default'].includes(value);
    if (key !== 'dc' && !isDefault) throw notSupported(`?${key}`);
  }
}

/** Reads `index` and `wait`. Throws 400 for what it can't read. */
export function readBlockingOptions(query: URLSearchParams): BlockingOptions {
  const index = query.get('index') || '0';
  if (!/^\d{1,20}$/.test(index)) throw new HttpError(400, 'Invalid index');
  const waitMs = parseDurationMs(query.get('wait') || '0');
  if (waitMs === undefined) throw new HttpError(400, 'Invalid wait time');
  return { minIndex: Number(index), waitMs: waitMs > 0 ? Math.min(waitMs, maxWaitMs) : defaultWaitMs };
}

/** The whole time that a query may block: `wait` plus up to a sixteenth, so that not all come back at once. `random` is in 0..1. */
export function blockingTimeMs(waitMs: number, random: number): number {
  return waitMs + (waitMs / 16) * random;
}

/** A flag such as `?passing`: absent is false, present without a value true. Throws 400 for another value. */
export function readFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? 'false';
  if (/^(?:|1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new HttpError(400, `Invalid value for ?${name}`);
}
