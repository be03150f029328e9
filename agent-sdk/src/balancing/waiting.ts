import type { Lease, LeaseRequest, QueueTicket } from './endpoint.ts';

/** A request in the queue; linked with its neighbours, so that it can leave from anywhere. */
export class Waiter implements QueueTicket {
  readonly request: LeaseRequest;
  readonly granted: (lease: Lease) => void;
  readonly #line: WaitingLine;
  previous: Waiter | undefined;
  next: Waiter | undefined;
  place: 'waiting' | 'left' = 'waiting';

  constructor(line: WaitingLine, request: LeaseRequest, granted: (lease: Lease) => void) {
    this.#line = line;
    this.request = request;
    this.granted = granted;
  }

  cancel(): void {
    this.#line.leave(this);
  }
}

/** Requests that wait for an endpoint, first come, first served. Joining and leaving are O(1). */
export class WaitingLine {
  first: Waiter | undefined;
  #last: Waiter | undefined;
  size = 0;
  /** How many of them can't use just any endpoint: the first refusal then doesn't hold for all. */
  particular = 0;

  join(request: LeaseRequest, granted: (lease: Lease) => void): Waiter {
    const waiter = new Waiter(this, request, granted);
    waiter.previous = this.#last;
    if (this.#last === undefined) this.first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.size += 1;
    if (isParticular(request)) this.particular += 1;
    return waiter;
  }

  leave(waiter: Waiter): void {
    if (waiter.place === 'left') return;
    waiter.place = 'left';
    const { previous, next } = waiter;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.size -= 1;
    if (isParticular(waiter.request)) this.particular -= 1;
  }
}

function isParticular(request: LeaseRequest): boolean {
  return request.tag !== undefined || request.tried.length > 0;
}
