/** Balancing: which instance gets the next request. Pure; shared by the gateway and client-side balancing. */
export type { EjectionPolicy } from './ejection.ts';
export type { Endpoint, EndpointHealth, EndpointReport, Lease, LeaseRequest } from './endpoint.ts';
export { createUpstream, endpointKey, type Upstream, type UpstreamOptions } from './upstream.ts';
