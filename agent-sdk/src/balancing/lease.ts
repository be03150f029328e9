import type { EndpointState } from './endpoint-state.ts';
import type { EndpointReport, Lease } from './endpoint.ts';

/** Who gave a lease, and hears how it went. */
export interface LeaseOwner {
  reported(lease: LeaseState, report: EndpointReport, latencyMs: number | undefined): void;
  released(lease: LeaseState): void;
}

/** The record behind a {@link Lease}; made by an upstream on every request, so it is small. */
export class LeaseState implements Lease {
  readonly endpoint: EndpointState;
  /** How often the endpoint had been ejected when the lease began: tells news from what belongs to an earlier time. */
  readonly ejections: number;
  /** `held`: the attempt is the one trial of an endpoint in probation. */
  probe: 'none' | 'held';
  /** How it was counted for the success rate. */
  counted: 'no' | 'good' | 'bad' = 'no';
  #state: 'held' | 'released' = 'held';
  readonly #owner: LeaseOwner;

  constructor(owner: LeaseOwner, endpoint: EndpointState) {
    this.#owner = owner;
    this.endpoint = endpoint;
    this.ejections = endpoint.health.ejections;
    this.probe = endpoint.health.state === 'probation' ? 'held' : 'none';
  }

  report(report: EndpointReport, latencyMs?: number): void {
    if (this.#state === 'held') this.#owner.reported(this, report, latencyMs);
  }

  release(): void {
    if (this.#state === 'released') return;
    this.#state = 'released';
    this.#owner.released(this);
  }
}
