import { roundRobinSchedule } from './schedule.ts';

/** A weighted round robin over members that come and go. */
export interface Rotation<T> {
  readonly size: number;
  /** Whose turn it is among those that `admits` says yes to; undefined when it says no to all. */
  next(admits: (member: T) => boolean): T | undefined;
  /** New members. Whoever was to come next still does, or, if gone, whoever follows it. */
  replace(members: readonly T[]): void;
}

/**
 * Starts at a random place, so that many gateways don't all begin with the same instance, and never restarts there: a change of
 * members or weights keeps the place. `next` is O(1) while most members are admitted.
 */
export function createRotation<T>(weightOf: (member: T) => number, random: () => number): Rotation<T> {
  let members: readonly T[] = [];
  let slots: readonly T[] = [];
  let cursor = 0;

  /** Members in the order in which their turns come, from the cursor on, each once. */
  function upcoming(): readonly T[] {
    return [...new Set([...slots.slice(cursor), ...slots.slice(0, cursor)])];
  }

  return {
    get size() {
      return members.length;
    },
    next(admits) {
      const count = slots.length;
      for (let step = 0; step < count; step += 1) {
        const at = cursor + step < count ? cursor + step : cursor + step - count;
        const member = slots[at];
        if (member !== undefined && admits(member)) {
          cursor = at + 1 < count ? at + 1 : 0;
          return member;
        }
      }
      return undefined;
    },
    replace(next) {
      const expected = upcoming();
      const remaining = new Set(next);
      const heir = expected.find((member) => remaining.has(member));
      members = next;
      slots = roundRobinSchedule(next.map(weightOf)).flatMap((index) => next.slice(index, index + 1));
      if (slots.length === 0) cursor = 0;
      else if (heir === undefined) cursor = Math.floor(random() * slots.length) % slots.length;
      else cursor = slots.indexOf(heir);
    },
  };
}
