import { EndpointState } from './endpoint-state.ts';
import type { LeaseRequest } from './endpoint.ts';
import type { Tier } from './tier.ts';

/** After so many turns that endpoints in their slow start let pass, one of them takes it. */
const maxPassedTurns = 16;

/** What a group asks its upstream while it chooses. */
export interface Chooser {
  /** The listed endpoint of an `Instance.key`. */
  find(key: string): EndpointState | undefined;
  /** Whether an endpoint takes its turn, or lets it pass in its slow start. */
  takesTurn(endpoint: EndpointState): boolean;
}

/** The instances that a route may use, all of them or those with its tag, and the order in which they are resorted to. */
export class Group {
  readonly primaries: Tier;
  readonly backups: Tier;
  readonly #chooser: Chooser;

  constructor(chooser: Chooser, tiers: { readonly primaries: Tier; readonly backups: Tier }) {
    this.#chooser = chooser;
    this.primaries = tiers.primaries;
    this.backups = tiers.backups;
  }

  get size(): number {
    return this.primaries.size + this.backups.size;
  }

  /** New members, whatever their role. */
  replace(members: readonly EndpointState[]): void {
    const backups = members.filter((member) => member.role === 'backup');
    this.primaries.replace(
      backups.length === 0 ? members : members.filter((member) => member.role === 'primary'),
    );
    this.backups.replace(backups);
  }

  /**
   * Who takes the request. Primaries before backups, and backups only when no primary is left, not when all are busy. When our own
   * judgement leaves nobody, it is our judgement that is in doubt (the panic rule): then those that we left out, in the same order.
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
    for (const endpoint of aside) this.#putBack(endpoint);
    return chosen;
  }

  #choose(request: LeaseRequest, aside: EndpointState[]): EndpointState | 'none' | 'busy' {
    for (const tier of [this.primaries, this.backups]) {
      if (tier.trusted > 0)
        return this.#sticky(tier, request, aside) ?? this.#turn(tier, request, aside) ?? 'busy';
    }
    for (const tier of [this.primaries, this.backups])
      if (tier.distrusted > 0) return tier.pickShut() ?? 'busy';
    return 'none';
  }

  #sticky(tier: Tier, request: LeaseRequest, aside: readonly EndpointState[]): EndpointState | undefined {
    if (request.sticky === undefined) return undefined;
    const endpoint = this.#chooser.find(request.sticky);
    if (endpoint?.standing !== 'open' || aside.includes(endpoint)) return undefined;
    return tier.seatOf(endpoint) === undefined ? undefined : endpoint;
  }

  /** Whose turn it is; who is in its slow start lets most turns pass, unless all are. */
  #turn(tier: Tier, request: LeaseRequest, aside: EndpointState[]): EndpointState | undefined {
    const first = tier.pick(request.hash);
    if (tier.warming === 0 || tier.warming === tier.size) return first;
    let next = first;
    for (let passed = 0; next !== undefined && passed < maxPassedTurns; passed += 1) {
      if (this.#chooser.takesTurn(next)) return next;
      this.#putAside(next, aside);
      next = tier.pick(request.hash);
    }
    return next ?? first;
  }

  #putAside(endpoint: EndpointState, aside: EndpointState[]): void {
    const seat = this.primaries.seatOf(endpoint) ?? this.backups.seatOf(endpoint);
    if (seat === undefined) return;
    seat.tier.restand(seat.place, endpoint.standing, 'out');
    aside.push(endpoint);
  }

  #putBack(endpoint: EndpointState): void {
    const seat = this.primaries.seatOf(endpoint) ?? this.backups.seatOf(endpoint);
    seat?.tier.restand(seat.place, 'out', endpoint.standing);
  }
}
