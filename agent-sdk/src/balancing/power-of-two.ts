import { Bag } from './bag.ts';
import type { Member, Strategy } from './strategy.ts';

/** What this strategy needs from outside. */
export interface PowerOfTwoOptions {
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The usual latency of all, for members that have not answered yet. */
  readonly typicalMs: () => number;
}

/** The cheaper of two random members: expected latency times requests in flight (the new one included), per weight. O(1). */
export function createPowerOfTwo(options: PowerOfTwoOptions): Strategy {
  return new PowerOfTwo(options);
}

class PowerOfTwo implements Strategy {
  readonly loaded = undefined;
  readonly #options: PowerOfTwoOptions;
  #members: readonly Member[] = [];
  #open = new Bag(0);

  constructor(options: PowerOfTwoOptions) {
    this.#options = options;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#open = new Bag(members.length);
    for (let place = 0; place < members.length; place += 1) this.#open.add(place);
  }

  admit(place: number): void {
    this.#open.add(place);
  }

  shut(place: number): void {
    this.#open.delete(place);
  }

  pick(): number {
    const { random, now } = this.#options;
    const { size } = this.#open;
    if (size === 0) return -1;
    const first = Math.min(size - 1, Math.floor(random() * size));
    if (size === 1) return this.#open.at(first);
    const other = Math.min(size - 2, Math.floor(random() * (size - 1)));
    const a = this.#open.at(first);
    const b = this.#open.at(other < first ? other : other + 1);
    const nowMs = now();
    return this.#cost(b, nowMs) < this.#cost(a, nowMs) ? b : a;
  }

  #cost(place: number, nowMs: number): number {
    const member = this.#members[place];
    if (member === undefined) return Infinity;
    return (
      (member.latency.expectedMs(this.#options.typicalMs(), nowMs) * (member.inFlight + 1)) / member.weight
    );
  }
}
