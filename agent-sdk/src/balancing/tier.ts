import { Bag } from './bag.ts';
import type { EndpointState, Seat, Standing } from './endpoint-state.ts';
import type { Strategy } from './strategy.ts';

/** Primaries or backups among the instances that a route may use, with the strategy that picks among them. */
export class Tier {
  /** The tag that all of its members carry; undefined: any instance. */
  readonly tag: string | undefined;
  #strategy: Strategy;
  #members: readonly EndpointState[] = [];
  /** Members that we left out ourselves, for when nobody else is left. */
  #shut = new Bag(0);
  /** Members that are not shut by our own judgement, those at their limit included. */
  trusted = 0;
  /** Members that are. */
  distrusted = 0;
  /** Members in their slow start. */
  warming = 0;

  constructor(tag: string | undefined, strategy: Strategy) {
    this.tag = tag;
    this.#strategy = strategy;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Another way to choose among the same members. */
  use(strategy: Strategy): void {
    this.#strategy = strategy;
    this.replace(this.#members);
  }

  /** New members, with the standing that each of them has. */
  replace(members: readonly EndpointState[]): void {
    const before = this.#members;
    this.#members = members;
    this.#shut = new Bag(members.length);
    this.trusted = members.length;
    this.distrusted = this.warming = 0;
    this.#strategy.replace(members);
    members.forEach((member, place) => {
      this.#seat(member, place);
      if (member.warmingSinceMs !== undefined) this.warming += 1;
      if (member.standing !== 'open') this.restand(place, 'open', member.standing);
    });
    // Whoever has left still has the place of before.
    for (const member of before) {
      if (members[this.seatOf(member)?.place ?? -1] !== member)
        member.seats = member.seats.filter((seat) => seat.tier !== this);
    }
  }

  /** A member's standing has changed. */
  restand(place: number, from: Standing, to: Standing): void {
    if (from === 'open') this.#strategy.shut(place);
    else if (from === 'shut') this.#shut.delete(place);
    this.#count(from, -1);
    this.#count(to, 1);
    if (to === 'open') this.#strategy.admit(place);
    else if (to === 'shut') this.#shut.add(place);
  }

  /** A member has more or fewer requests in flight. */
  loaded(place: number): void {
    this.#strategy.loaded?.(place);
  }

  /** Whose turn it is among those that can take a request. */
  pick(hash: number | undefined): EndpointState | undefined {
    const place = this.#strategy.pick(hash);
    return place === -1 ? undefined : this.#members[place];
  }

  /** One of those that we left out ourselves. */
  pickShut(): EndpointState | undefined {
    const place = this.#shut.next();
    return place === -1 ? undefined : this.#members[place];
  }

  seatOf(endpoint: EndpointState): Seat | undefined {
    const { seats } = endpoint;
    for (const seat of seats) if (seat.tier === this) return seat;
    return undefined;
  }

  #seat(member: EndpointState, place: number): void {
    const seat = this.seatOf(member);
    if (seat === undefined) member.seats = [...member.seats, { tier: this, place }];
    else seat.place = place;
  }

  #count(standing: Standing, by: number): void {
    if (standing === 'open' || standing === 'busy') this.trusted += by;
    else if (standing !== 'out') this.distrusted += by;
  }
}
