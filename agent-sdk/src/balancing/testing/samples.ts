import type { Instance, Snapshot } from '../../discovery/instance.ts';
import { compareSnapshots } from '../../discovery/snapshot-change.ts';
import type { HealthChange, Lease, LeaseRequest } from '../endpoint.ts';
import { createUpstream, type Upstream } from '../upstream.ts';
import { defaultUpstreamPolicy, type UpstreamPolicy } from '../upstream-policy.ts';

const snapshots = new WeakMap<Upstream, Snapshot>();

/** Lists these instances from now on. */
export function update(upstream: Upstream, ...listed: readonly Instance[]): void {
  const instances = [...listed].sort((a, b) => (a.key < b.key ? -1 : 1));
  const after = { service: 'api', index: '1', instances, quarantined: [], held: [] };
  const change = compareSnapshots(snapshots.get(upstream), after);
  snapshots.set(upstream, change.after);
  upstream.update(change);
}

/** Short times and small numbers, so that tests can tell them apart. */
export const policy: UpstreamPolicy = {
  ...defaultUpstreamPolicy,
  ejection: { consecutiveFailures: 3, baseMs: 1000, maxMs: 8000, maxRatio: 0.5 },
};

/** An upstream of these instances, with a clock to turn and, unless given, no randomness. */
export function setUp(
  instances: readonly Instance[],
  more: Partial<UpstreamPolicy> = {},
  random: () => number = () => 0,
): {
  readonly upstream: Upstream;
  readonly clock: { nowMs: number };
  /** What was told of endpoints' health so far. */
  readonly news: readonly HealthChange[];
} {
  const clock = { nowMs: 0 };
  const news: HealthChange[] = [];
  const upstream = createUpstream('api', {
    policy: { ...policy, ...more },
    now: () => clock.nowMs,
    random,
    onHealth: (one) => news.push(one),
  });
  update(upstream, ...instances);
  return { upstream, clock, news };
}

/** Any instance. */
export const all: LeaseRequest = { tag: undefined, tried: [] };

/** A lease, or undefined when there is none. */
export function acquire(upstream: Upstream, request: LeaseRequest = all): Lease | undefined {
  const lease = upstream.acquire(request);
  return typeof lease === 'string' ? undefined : lease;
}

/** Leases one, releases it, and says which it was. */
export function take(upstream: Upstream, request: LeaseRequest = all): string | undefined {
  const lease = acquire(upstream, request);
  lease?.release();
  return lease?.endpoint.instance.id;
}

export function takeMany(
  upstream: Upstream,
  count: number,
  request: LeaseRequest = all,
): (string | undefined)[] {
  return Array.from({ length: count }, () => take(upstream, request));
}

/** Has the next attempt on this instance report a refused connection. */
export function refuse(upstream: Upstream, id: string): void {
  const others = upstream.endpoints.filter((endpoint) => endpoint.instance.id !== id);
  const lease = acquire(upstream, { tag: undefined, tried: others });
  if (lease?.endpoint.instance.id !== id) throw new Error(`${id} can't be had`);
  lease.report('connect_failed');
  lease.release();
}

/** Repeatable randomness in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
