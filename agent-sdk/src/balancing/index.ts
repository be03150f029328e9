/**
 * Balancing: which instance gets the next request. Pure; shared by the gateway and client-side balancing. From a snapshot to a lease:
 * - `upstream.ts`: one service. Takes snapshots, policies and check verdicts in, gives leases out, and owns the parts below.
 * - `endpoint-set.ts`: the endpoints of the snapshots, their state kept, and which of them are eligible (panic rule included).
 * - `endpoint-state.ts`: one endpoint. Four inputs (registry, checks, ejection, silence) and the load give its availability.
 * - `ejection-controller.ts`: ejects after failures in a row (`ejection.ts`) or a high share of errors (`outliers.ts`, `outlier-detector.ts`).
 * - `silence-watch.ts`: notices endpoints that owe answers and say nothing (`endpoint-silence.ts`) for longer than the service's latency
 *   explains (`answer-times.ts`).
 * - `subsets.ts`, `subset.ts`: all instances or those with a tag; the order of primaries, backups and the last resort; sticky sessions;
 *   `slow-start.ts`.
 * - `priority-level.ts`: primaries or backups of a subset. Tells the strategy which of them are available.
 * - `strategy.ts`: what the strategies have in common (`round-robin.ts`, `consistent-hash.ts` …, by `create-strategy.ts`).
 * - `request-queue.ts`: requests for which all endpoints were saturated. `lease.ts`: held until an attempt is over.
 * - Structures: `sparse-set.ts`, `bit-set.ts`, `heap.ts`, `hash-ring.ts`, `turn-schedule.ts`, `turn-ring.ts`.
 */
export { lookMs } from './answer-times.ts';
export type { EjectionPolicy } from './ejection.ts';
export type {
  Availability,
  CheckVerdict,
  Endpoint,
  EndpointHealth,
  EndpointReport,
  HealthChange,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
  SilenceNews,
} from './endpoint.ts';
export type { Silence } from './endpoint-silence.ts';
export type { OutlierPolicy } from './outliers.ts';
export { endpointKey } from './endpoint-state.ts';
export { createUpstream, type Upstream, type UpstreamOptions } from './upstream.ts';
export { defaultUpstreamPolicy, type BalanceStrategy, type UpstreamPolicy } from './upstream-policy.ts';
