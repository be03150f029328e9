import { SparseSet } from './sparse-set.ts';
import type { Member, Strategy } from './strategy.ts';

/** What this strategy needs from outside. */
export interface PowerOfTwoOptions {
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The usual latency of all members; it stands for the latency of a member that has not answered yet. */
  readonly typicalMs: () => number;
}

/** The cheaper of two random members: expected latency times requests in flight (the new one included), per weight. O(1). */
export class PowerOfTwoStrategy implements Strategy {
  readonly loadChanged = undefined;
  readonly #options: PowerOfTwoOptions;
  #members: readonly Member[] = [];
  #enabled = new SparseSet(0);

  constructor(options: PowerOfTwoOptions) {
    this.#options = options;
  }

  replace(members: readonly Member[]): void {
    this.#members = members;
    this.#enabled = new SparseSet(members.length);
    for (let index = 0; index < members.length; index += 1) this.#enabled.add(index);
  }

  enable(index: number): void {
    this.#enabled.add(index);
  }

  disable(index: number): void {
    this.#enabled.delete(index);
  }

  pick(): number {
    const { random, now } = this.#options;
    const { size } = this.#enabled;
    if (size === 0) return -1;
    const first = Math.min(size - 1, Math.floor(random() * size));
    if (size === 1) return this.#enabled.at(first);
    const other = Math.min(size - 2, Math.floor(random() * (size - 1)));
    const a = this.#enabled.at(first);
    const b = this.#enabled.at(other < first ? other : other + 1);
    const nowMs = now();
    return this.#cost(b, nowMs) < this.#cost(a, nowMs) ? b : a;
  }

  #cost(index: number, nowMs: number): number {
    const member = this.#members[index];
    if (member === undefined) return Infinity;
    const expectedMs = member.latency.expectedMs(this.#options.typicalMs(), nowMs);
    return (expectedMs * (member.inFlight + 1)) / member.weight;
  }
}
