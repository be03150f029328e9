import type { EndpointState } from './endpoint-state.ts';
import { Group, type Chooser } from './group.ts';
import type { Roster } from './roster.ts';
import type { Strategy } from './strategy.ts';
import { Tier } from './tier.ts';

/** What the groups of an upstream are made from. */
export interface GroupsOptions {
  readonly roster: Roster;
  readonly chooser: Chooser;
  readonly createStrategy: () => Strategy;
}

/** The groups of an upstream: all instances, and those of each tag by which routes came. */
export class Groups {
  readonly everybody: Group;
  readonly #options: GroupsOptions;
  readonly #byTag = new Map<string | undefined, Group>();

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.everybody = this.of(undefined);
  }

  /** The first request with a tag costs a look at every instance, further ones none. */
  of(tag: string | undefined): Group {
    let group = this.#byTag.get(tag);
    if (group === undefined) {
      const { chooser, createStrategy } = this.#options;
      group = new Group(chooser, {
        primaries: new Tier(tag, createStrategy()),
        backups: new Tier(tag, createStrategy()),
      });
      group.replace(this.#members(tag));
      this.#byTag.set(tag, group);
    }
    return group;
  }

  /** Another strategy for all. */
  renew(): void {
    for (const { primaries, backups } of this.#byTag.values())
      for (const tier of [primaries, backups]) tier.use(this.#options.createStrategy());
  }

  /** New members for every group that one of these sits in, or should. */
  regroup(moved: ReadonlySet<EndpointState>): void {
    if (moved.size === 0) return;
    const tags = new Set<string | undefined>([undefined]);
    for (const { seats, instance } of moved) {
      for (const { tier } of seats) tags.add(tier.tag);
      for (const tag of instance.tags) tags.add(tag);
    }
    for (const tag of tags) this.#byTag.get(tag)?.replace(this.#members(tag));
    for (const [tag, group] of this.#byTag)
      if (tag !== undefined && group.size === 0) this.#byTag.delete(tag);
  }

  #members(tag: string | undefined): readonly EndpointState[] {
    return this.#options.roster.listed.filter(
      ({ membership, instance }) =>
        membership === 'member' && (tag === undefined || instance.tags.includes(tag)),
    );
  }
}
