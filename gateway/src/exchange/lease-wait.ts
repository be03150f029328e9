import type { Lease, LeaseRequest, QueueTicket, Upstream } from '@roundhouse/agent-sdk/internal';

import type { AttemptPlan } from './attempts.ts';
import type { WaitTicket } from './seam.ts';

/**
 * A wait of an exchange before an attempt: for an endpoint to become free (`queue`), or for a moment to pass (`pause`). It ends by
 * `take` or `giveUp`; a lease that was granted meanwhile goes with the one and is released by the other, so that none is lost
 * however a grant, a timeout and the leaving of the client may fall together.
 */
export class LeaseWait {
  readonly kind: 'queue' | 'pause';
  readonly plan: AttemptPlan;
  readonly sinceMs: number;
  /** The engine's end; it sets `ready`. */
  readonly ticket: WaitTicket = { ready: () => undefined };
  #place: QueueTicket | undefined;
  #granted: Lease | undefined;
  #isOver = false;

  constructor(kind: 'queue' | 'pause', plan: AttemptPlan, sinceMs: number) {
    this.kind = kind;
    this.plan = plan;
    this.sinceMs = sinceMs;
  }

  /** Joins the queue of an upstream. `granted`: an endpoint became free in the same moment; `full`: there is no place. */
  join(upstream: Upstream, request: LeaseRequest): 'queued' | 'granted' | 'full' {
    this.#place = upstream.enqueue(request, (lease) => {
      this.#grant(lease);
    });
    if (this.#granted !== undefined) return 'granted';
    return this.#place === undefined ? 'full' : 'queued';
  }

  /** The wait is over: what was granted, if anything was. */
  take(): Lease | undefined {
    const lease = this.#granted;
    this.#granted = undefined;
    this.#end();
    return lease;
  }

  /** There will be no attempt. */
  giveUp(): void {
    if (this.#isOver) return;
    this.take()?.release();
    this.plan.budget?.refund();
  }

  #grant(lease: Lease): void {
    if (this.#isOver) {
      lease.release();
      return;
    }
    this.#granted = lease;
    this.ticket.ready();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#place?.cancel();
  }
}
