/** Between which pauses a failing call is tried again, in ms. */
export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** What reliability asks for: never hotter than four a second, never further apart than 15 s. */
export const defaultBackoff: BackoffBounds = { minMs: 250, maxMs: 15_000 };

/** After 401 and 403: no use in asking soon, but a token that was rotated or granted should be noticed within seconds. */
export const forbiddenBackoff: BackoffBounds = { minMs: 1_000, maxMs: 5_000 };

/**
 * The pause after the `attempt`-th failure in a row (from 1): anywhere between `minMs` and a ceiling that doubles with each
 * failure up to `maxMs`. The jitter is full, so that a fleet which lost its agent together doesn't come back in step (AWS
 * Architecture Blog, "Exponential Backoff And Jitter"). `random` is in [0, 1).
 */
export function backoffMs(attempt: number, random: number, bounds: BackoffBounds = defaultBackoff): number {
  const doublings = Math.min(30, Math.max(1, attempt));
  const ceilingMs = Math.min(bounds.maxMs, bounds.minMs * 2 ** doublings);
  return bounds.minMs + Math.floor(random * Math.max(0, ceilingMs - bounds.minMs));
}
