import type { EndpointSet } from './endpoint-set.ts';
import type { EndpointState } from './endpoint-state.ts';
import { PriorityLevel } from './priority-level.ts';
import type { Strategy } from './strategy.ts';
import { Subset, type SubsetOwner } from './subset.ts';

/** What the subsets of an upstream are made from. */
export interface SubsetsOptions {
  readonly endpoints: EndpointSet;
  readonly owner: SubsetOwner;
  readonly createStrategy: () => Strategy;
}

/** The subsets of an upstream: all instances, and those of each tag that requests name. */
export class Subsets {
  /** All instances. */
  readonly all: Subset;
  readonly #options: SubsetsOptions;
  readonly #byTag = new Map<string | undefined, Subset>();

  constructor(options: SubsetsOptions) {
    this.#options = options;
    this.all = this.of(undefined);
  }

  /** The first request with a tag is linear in the instances, further ones are O(1). */
  of(tag: string | undefined): Subset {
    let subset = this.#byTag.get(tag);
    if (subset === undefined) {
      const { owner, createStrategy } = this.#options;
      const level = (): PriorityLevel => new PriorityLevel(tag, createStrategy());
      subset = new Subset(owner, level(), level());
      subset.replace(this.#members(tag));
      this.#byTag.set(tag, subset);
    }
    return subset;
  }

  /** A new strategy everywhere. */
  renewStrategies(): void {
    for (const { primaries, backups } of this.#byTag.values())
      for (const level of [primaries, backups]) level.use(this.#options.createStrategy());
  }

  /** New members for every subset that one of these endpoints belongs to, or did. */
  rebuild(moved: ReadonlySet<EndpointState>): void {
    if (moved.size === 0) return;
    const tags = new Set<string | undefined>([undefined]);
    for (const { slots, instance } of moved) {
      for (const { level } of slots) tags.add(level.tag);
      for (const tag of instance.tags) tags.add(tag);
    }
    for (const tag of tags) this.#byTag.get(tag)?.replace(this.#members(tag));
    for (const [tag, subset] of this.#byTag)
      if (tag !== undefined && subset.size === 0) this.#byTag.delete(tag);
  }

  #members(tag: string | undefined): readonly EndpointState[] {
    return this.#options.endpoints.listed.filter(
      ({ eligible, instance }) => eligible && (tag === undefined || instance.tags.includes(tag)),
    );
  }
}
