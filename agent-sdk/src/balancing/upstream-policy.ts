import type { EjectionPolicy } from './ejection.ts';
import type { OutlierPolicy } from './outliers.ts';

/**
 * Who gets the next request. `round-robin`: smooth and weighted. `least-requests`: fewest in flight per weight. `power-of-two`: the
 * cheaper of two random ones, by latency (peak EWMA) times requests in flight. `random`: weighted. `consistent-hash`: by
 * {@link LeaseRequest.hash}, with bounded load; without a hash as `random`.
 */
export type BalanceStrategy =
  'round-robin' | 'least-requests' | 'power-of-two' | 'random' | 'consistent-hash';

/** How one upstream chooses, protects its endpoints and judges them. A plain value, replaced whole. */
export interface UpstreamPolicy {
  readonly balance: BalanceStrategy;
  /** An endpoint that joins a running upstream gets its share little by little for so long; 0: at once. */
  readonly slowStartMs: number;
  /** Leases that one endpoint may have at a time; in HTTP/1.1 a lease is a connection in use. 0: no limit. */
  readonly maxConnections: number;
  /** Requests that wait when every admissible endpoint is at `maxConnections`. `limit` 0: none waits. */
  readonly queue: { readonly limit: number; readonly timeoutMs: number };
  /** Leases that the whole upstream may have at a time; beyond, requests are shed. 0: no limit. */
  readonly maxRequests: number;
  /**
   * Below this share of endpoints that Consul calls healthy, of three or more, its judgement is in doubt: critical ones are used
   * again, unless they fail us too. 0: never.
   */
  readonly panicRatio: number;
  readonly ejection: EjectionPolicy;
  readonly outliers: OutlierPolicy;
}

/** What an upstream does when nothing is configured. The numbers' reasons are in docs/reliability.md. */
export const defaultUpstreamPolicy: UpstreamPolicy = {
  balance: 'round-robin',
  slowStartMs: 0,
  maxConnections: 0,
  queue: { limit: 1_024, timeoutMs: 1_000 },
  maxRequests: 0,
  panicRatio: 0.5,
  ejection: { consecutiveFailures: 5, baseMs: 1_000, maxMs: 60_000, maxRatio: 0.5 },
  outliers: { windowMs: 10_000, minRequests: 20, margin: 0.3 },
};
