import type { EndpointState } from './endpoint-state.ts';
import type { EndpointReport, Lease } from './endpoint.ts';

/** What a lease tells the upstream that gave it. */
export interface LeaseOwner {
  /** Its response head has come. */
  headCame(lease: LeaseState, latencyMs: number | undefined): void;
  reported(lease: LeaseState, report: EndpointReport, latencyMs: number | undefined): void;
  released(lease: LeaseState): void;
}

/** The record behind a {@link Lease}. An upstream makes one for every request, so it is small. */
export class LeaseState implements Lease {
  readonly endpoint: EndpointState;
  /** How often the endpoint had been ejected when the lease began: tells reports about an earlier time apart. */
  readonly ejections: number;
  /** The attempt is a trial of an endpoint in probation that has not ended yet. */
  isTrial: boolean;
  /** How it was counted for the success rate. */
  counted: 'no' | 'good' | 'bad' = 'no';
  /** Whether its response head has not come yet. */
  isWaiting = true;
  #released = false;
  readonly #owner: LeaseOwner;

  constructor(owner: LeaseOwner, endpoint: EndpointState) {
    this.#owner = owner;
    this.endpoint = endpoint;
    this.ejections = endpoint.health.ejections;
    this.isTrial = endpoint.health.state === 'probation';
  }

  headCame(latencyMs: number | undefined): void {
    if (!this.isWaiting) return;
    this.isWaiting = false;
    this.#owner.headCame(this, latencyMs);
  }

  report(report: EndpointReport, latencyMs?: number): void {
    if (!this.#released) this.#owner.reported(this, report, latencyMs);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#owner.released(this);
  }
}
