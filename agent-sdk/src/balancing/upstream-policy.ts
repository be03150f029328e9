import type { EjectionPolicy } from './ejection.ts';
import type { OutlierPolicy } from './outliers.ts';

/**
 * Which endpoint gets the next request. `round-robin`: smooth and weighted. `least-requests`: fewest in flight per weight. `power-of-two`:
 * the cheaper of two random endpoints, by latency (peak EWMA) times requests in flight. `random`: weighted. `consistent-hash`: by
 * {@link LeaseRequest.hash}, with bounded load; without a hash as `random`.
 */
export type BalanceStrategy =
  'round-robin' | 'least-requests' | 'power-of-two' | 'random' | 'consistent-hash';

/** How one upstream chooses, limits and ejects its endpoints. A plain value, replaced whole. */
export interface UpstreamPolicy {
  readonly balance: BalanceStrategy;
  /** The share of an endpoint that joins a running upstream grows for so long; 0: full share at once. */
  readonly slowStartMs: number;
  /** Leases that one endpoint may have at a time; in HTTP/1.1 a lease is a connection in use. 0: no limit. */
  readonly maxConnections: number;
  /** The queue for requests while every usable endpoint is at `maxConnections`. `limit` 0: no queue. */
  readonly queue: { readonly limit: number; readonly timeoutMs: number };
  /** Leases that the whole upstream may have at a time; beyond, requests are shed. 0: no limit. */
  readonly maxRequests: number;
  /**
   * The panic rule: when the share of primaries that Consul does not call critical, of three or more, is below this, critical ones are used
   * again, unless they are ejected. 0: never.
   */
  readonly panicRatio: number;
  readonly ejection: EjectionPolicy;
  readonly outliers: OutlierPolicy;
  /** `ask`: an endpoint that owes answers for longer than the latency of the upstream explains is asked whether it lives. `off`: never. */
  readonly silence: 'ask' | 'off';
}

/** The policy when nothing is configured. docs/reliability.md gives the reasons for the numbers. */
export const defaultUpstreamPolicy: UpstreamPolicy = {
  balance: 'round-robin',
  slowStartMs: 0,
  maxConnections: 0,
  queue: { limit: 1_024, timeoutMs: 1_000 },
  maxRequests: 0,
  panicRatio: 0.5,
  ejection: { consecutiveFailures: 5, baseMs: 1_000, maxMs: 60_000, maxRatio: 0.5 },
  outliers: { windowMs: 10_000, minRequests: 20, margin: 0.3 },
  silence: 'ask',
};
