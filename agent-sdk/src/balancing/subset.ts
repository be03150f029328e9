import { EndpointState, type Slot } from './endpoint-state.ts';
import type { LeaseRequest } from './endpoint.ts';
import type { PriorityLevel } from './priority-level.ts';

/** After so many turns declined by endpoints in their slow start, the next one is taken. */
const maxDeclinedTurns = 16;

/** What a subset asks its upstream during a choice. */
export interface SubsetOwner {
  /** The listed endpoint of an `Instance.key`. */
  find(key: string): EndpointState | undefined;
  /** Whether an endpoint takes its turn; during its slow start it declines some. */
  takesTurn(endpoint: EndpointState): boolean;
}

/** The instances that a route may use: all of them or those with its tag, in two priority levels. */
export class Subset {
  readonly primaries: PriorityLevel;
  readonly backups: PriorityLevel;
  readonly #owner: SubsetOwner;

  constructor(owner: SubsetOwner, primaries: PriorityLevel, backups: PriorityLevel) {
    this.#owner = owner;
    this.primaries = primaries;
    this.backups = backups;
  }

  get size(): number {
    return this.primaries.size + this.backups.size;
  }

  /** New members for both levels. */
  replace(members: readonly EndpointState[]): void {
    const backups = members.filter(({ isBackup }) => isBackup);
    this.primaries.replace(backups.length === 0 ? members : members.filter(({ isBackup }) => !isBackup));
    this.backups.replace(backups);
  }

  /**
   * The endpoint that takes the request. Backups serve when no trusted primary is left, not when all primaries are saturated. When checks
   * and ejection leave no endpoint at all, the ejected ones are used as the last resort, primaries before backups.
   */
  select(request: LeaseRequest): EndpointState | 'none' | 'busy' {
    const { primaries } = this;
    if (
      request.tried.length === 0 &&
      request.sticky === undefined &&
      primaries.warming === 0 &&
      primaries.trusted > 0
    )
      return primaries.pick(request.hash) ?? 'busy';
    const aside: EndpointState[] = [];
    for (const endpoint of request.tried)
      if (endpoint instanceof EndpointState && !aside.includes(endpoint)) this.#putAside(endpoint, aside);
    const chosen = this.#choose(request, aside);
    for (const endpoint of aside) {
      const slot = this.#slotOf(endpoint);
      slot?.level.availabilityChanged(slot.index, 'excluded', endpoint.availability);
    }
    return chosen;
  }

  #choose(request: LeaseRequest, aside: EndpointState[]): EndpointState | 'none' | 'busy' {
    const { primaries, backups } = this;
    const level = primaries.trusted > 0 ? primaries : backups;
    if (level.trusted > 0)
      return this.#sticky(level, request, aside) ?? this.#turn(level, request, aside) ?? 'busy';
    const lastResort = primaries.distrusted > 0 ? primaries : backups;
    return lastResort.distrusted > 0 ? (lastResort.pickEjected() ?? 'busy') : 'none';
  }

  #sticky(
    level: PriorityLevel,
    { sticky }: LeaseRequest,
    aside: readonly EndpointState[],
  ): EndpointState | undefined {
    if (sticky === undefined) return undefined;
    const endpoint = this.#owner.find(sticky);
    if (endpoint?.availability !== 'available' || aside.includes(endpoint)) return undefined;
    return level.slotOf(endpoint) === undefined ? undefined : endpoint;
  }

  /** The next endpoint in turn. Endpoints in their slow start decline most turns, unless all of the level are in it. */
  #turn(level: PriorityLevel, { hash }: LeaseRequest, aside: EndpointState[]): EndpointState | undefined {
    const first = level.pick(hash);
    if (level.warming === 0 || level.warming === level.size) return first;
    let next = first;
    for (let declined = 0; next !== undefined && declined < maxDeclinedTurns; declined += 1) {
      if (this.#owner.takesTurn(next)) return next;
      this.#putAside(next, aside);
      next = level.pick(hash);
    }
    return next ?? first;
  }

  /** Excludes an endpoint from the present choice. */
  #putAside(endpoint: EndpointState, aside: EndpointState[]): void {
    const slot = this.#slotOf(endpoint);
    if (slot === undefined) return;
    slot.level.availabilityChanged(slot.index, endpoint.availability, 'excluded');
    aside.push(endpoint);
  }

  #slotOf(endpoint: EndpointState): Slot | undefined {
    return this.primaries.slotOf(endpoint) ?? this.backups.slotOf(endpoint);
  }
}
