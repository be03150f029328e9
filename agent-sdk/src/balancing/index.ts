/** Balancing: which instance gets the next request. Pure; shared by the gateway and client-side balancing. */
export type { EjectionPolicy } from './ejection.ts';
export type {
  Endpoint,
  EndpointHealth,
  EndpointReport,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
} from './endpoint.ts';
export type { OutlierPolicy } from './outliers.ts';
export { endpointKey } from './endpoint-state.ts';
export { createUpstream, type Upstream, type UpstreamOptions } from './upstream.ts';
export { defaultUpstreamPolicy, type BalanceStrategy, type UpstreamPolicy } from './upstream-policy.ts';
