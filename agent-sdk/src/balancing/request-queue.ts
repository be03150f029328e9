import type { Lease, LeaseRequest, QueueTicket } from './endpoint.ts';

/** A request in the queue; linked with its neighbours, so that it can leave from anywhere. */
class QueuedRequest implements QueueTicket {
  readonly request: LeaseRequest;
  readonly granted: (lease: Lease) => void;
  readonly #queue: RequestQueue;
  previous: QueuedRequest | undefined;
  next: QueuedRequest | undefined;
  isQueued = true;

  constructor(queue: RequestQueue, request: LeaseRequest, granted: (lease: Lease) => void) {
    this.#queue = queue;
    this.request = request;
    this.granted = granted;
  }

  cancel(): void {
    this.#queue.remove(this);
  }
}

/** Requests that wait for an endpoint, first come, first served. `add` and `remove` are O(1). */
export class RequestQueue {
  first: QueuedRequest | undefined;
  #last: QueuedRequest | undefined;
  size = 0;
  /** Requests that can't use every endpoint: an endpoint that the first request can't use may serve one of these, or the reverse. */
  restricted = 0;

  add(request: LeaseRequest, granted: (lease: Lease) => void): QueuedRequest {
    const added = new QueuedRequest(this, request, granted);
    added.previous = this.#last;
    if (this.#last === undefined) this.first = added;
    else this.#last.next = added;
    this.#last = added;
    this.size += 1;
    if (isRestricted(request)) this.restricted += 1;
    return added;
  }

  remove(queued: QueuedRequest): void {
    if (!queued.isQueued) return;
    queued.isQueued = false;
    const { previous, next } = queued;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.size -= 1;
    if (isRestricted(queued.request)) this.restricted -= 1;
  }
}

function isRestricted(request: LeaseRequest): boolean {
  return request.tag !== undefined || request.tried.length > 0;
}
