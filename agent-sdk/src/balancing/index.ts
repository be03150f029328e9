/**
 * Balancing: which instance gets the next request. Pure; shared by the gateway and client-side balancing.
 *
 * How it hangs together, from a snapshot to a lease:
 * - `upstream.ts` is one service: it takes snapshots and policies in, gives leases out, and owns the parts below.
 * - `roster.ts` turns a snapshot into endpoints (`endpoint-state.ts`), keeps the state of those that stay, and says who is a member:
 *   neither gone nor draining, nor critical unless the registry's judgement is in doubt.
 * - `judgement.ts` is our own view of them: `ejection.ts` for failures in a row, `outliers.ts` (and its `outlier-watch.ts`) for the share of errors.
 * - Both together are an endpoint's standing, worked out by `EndpointState.judge()`: open, busy, shut by us, or out.
 * - `groups.ts` holds a `group.ts` for each tag of a route in use, and one for everybody; a group has two tiers, primaries and backups,
 *   and says in which order they are resorted to, who sticks, and who lets a turn pass in its `slow-start.ts`.
 * - `tier.ts` passes each change of standing on to its strategy, so that a pick never looks past those that can take nothing.
 * - A strategy (`round-robin.ts`, `consistent-hash.ts` …, by `create-strategy.ts`) knows members by their place, and is told who is open.
 * - `waiting.ts` is the line of those for whom all were busy; `lease.ts` what is held until an attempt is over.
 * - The rest are structures: `bag.ts`, `bit-set.ts`, `heap.ts`, `ring.ts`, `schedule.ts`, `slots.ts`.
 */
export type { EjectionPolicy } from './ejection.ts';
export type {
  Endpoint,
  EndpointHealth,
  EndpointReport,
  HealthNews,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
} from './endpoint.ts';
export type { OutlierPolicy } from './outliers.ts';
export { endpointKey } from './endpoint-state.ts';
export { createUpstream, type Upstream, type UpstreamOptions } from './upstream.ts';
export { defaultUpstreamPolicy, type BalanceStrategy, type UpstreamPolicy } from './upstream-policy.ts';
