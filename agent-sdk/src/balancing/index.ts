/** Balancing: which instance gets the next request. Pure; shared by the gateway and client-side balancing. */
export type { Endpoint, EndpointHealth, Lease, LeaseOutcome, LeaseRequest } from './endpoint.ts';
