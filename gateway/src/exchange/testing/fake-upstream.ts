import {
  defaultUpstreamPolicy,
  type Endpoint,
  type EndpointHealth,
  type EndpointReport,
  type Lease,
  type LeaseRefusal,
  type LeaseRequest,
  type QueueTicket,
  type Silence,
  type Upstream,
  type UpstreamPolicy,
} from '@roundhouse/agent-sdk/internal';

import { instance } from '../../../../test/kit/builders.ts';

/** An endpoint whose health the test sets. */
export interface FakeEndpoint extends Endpoint {
  inFlight: number;
  total: number;
  health: EndpointHealth;
  silence: Silence;
}

/** A lease that remembers all that was done with it. */
export interface FakeLease extends Lease {
  readonly endpoint: FakeEndpoint;
  readonly reports: (readonly [EndpointReport, number | undefined])[];
  releases: number;
}

/** What a test varies. */
export interface FakeOptions {
  readonly ids?: readonly string[];
  /** Leases at a time per endpoint. */
  readonly capacity?: number;
  readonly queueLimit?: number;
  readonly policy?: Partial<UpstreamPolicy>;
}

/** An upstream that takes its endpoints in their order, and keeps every lease for the test to look at. For tests only. */
export class FakeUpstream implements Upstream {
  readonly service = 'api';
  readonly panic = false;
  policy: UpstreamPolicy;
  endpoints: readonly FakeEndpoint[];
  readonly leases: FakeLease[] = [];
  readonly requests: LeaseRequest[] = [];
  /** What the next calls of `acquire` answer, whatever is free. */
  refusals: LeaseRefusal[] = [];
  readonly #capacity: number;
  readonly #queueLimit: number;
  #queue: { readonly request: LeaseRequest; readonly granted: (lease: Lease) => void }[] = [];

  constructor({ ids = ['a', 'b'], capacity = Infinity, queueLimit = 8, policy = {} }: FakeOptions = {}) {
    this.policy = { ...defaultUpstreamPolicy, ...policy };
    this.#capacity = capacity;
    this.#queueLimit = queueLimit;
    this.endpoints = ids.map((id) => ({
      instance: instance(id),
      inFlight: 0,
      total: 0,
      health: { state: 'healthy', failures: 0, ejections: 0, sinceMs: 0 },
      availability: 'available',
      check: 'unchecked',
      phase: 'serving',
      silence: 'none',
      hear: () => undefined,
    }));
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Leases taken and not given back. */
  get held(): number {
    return this.leases.filter((lease) => lease.releases === 0).length;
  }

  update(): void {
    throw new Error('not in a fake');
  }

  setPolicy(policy: UpstreamPolicy): void {
    this.policy = policy;
  }

  checked(): void {
    throw new Error('not in a fake');
  }

  look(): never {
    throw new Error('not in a fake');
  }

  answered(): void {
    throw new Error('not in a fake');
  }

  acquire(request: LeaseRequest): Lease | LeaseRefusal {
    this.requests.push(request);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return refusal;
    const left = this.endpoints.filter((endpoint) => !request.tried.includes(endpoint));
    if (left.length === 0) return 'none';
    const free = left.filter((endpoint) => endpoint.inFlight < this.#capacity);
    const chosen = free.find((endpoint) => endpoint.instance.key === request.sticky) ?? free[0];
    return chosen === undefined ? 'busy' : this.#lease(chosen);
  }

  enqueue(request: LeaseRequest, granted: (lease: Lease) => void): QueueTicket | undefined {
    if (this.#queue.length >= this.#queueLimit) return undefined;
    const place = { request, granted };
    this.#queue.push(place);
    return {
      cancel: () => {
        this.#queue = this.#queue.filter((other) => other !== place);
      },
    };
  }

  #lease(endpoint: FakeEndpoint): FakeLease {
    endpoint.inFlight += 1;
    endpoint.total += 1;
    const lease: FakeLease = {
      endpoint,
      reports: [],
      releases: 0,
      headCame: () => undefined,
      report: (report, latencyMs) => {
        lease.reports.push([report, latencyMs]);
      },
      release: () => {
        lease.releases += 1;
        if (lease.releases > 1) return;
        endpoint.inFlight -= 1;
        this.#grant(endpoint);
      },
    };
    this.leases.push(lease);
    return lease;
  }

  #grant(endpoint: FakeEndpoint): void {
    const next = this.#queue.find(({ request }) => !request.tried.includes(endpoint));
    if (next === undefined) return;
    this.#queue = this.#queue.filter((other) => other !== next);
    next.granted(this.#lease(endpoint));
  }
}
