import { BitSet } from './bit-set.ts';

/** A ring of turns, each owned by a member: the turns of a rotation, the points of a hash ring. Turns of disabled members are skipped in O(log n). */
export class TurnRing {
  /** The index of the member that owns each turn. */
  readonly owners: Int32Array;
  readonly #memberCount: number;
  readonly #enabled: BitSet;
  #disabledMembers = 0;
  #turnsByMember: TurnsByMember | undefined;

  /** All members are enabled. */
  constructor(owners: Int32Array, memberCount: number) {
    this.owners = owners;
    this.#memberCount = memberCount;
    this.#enabled = new BitSet(owners.length);
  }

  get size(): number {
    return this.owners.length;
  }

  enable(member: number): void {
    this.#disabledMembers -= 1;
    const { turns, first } = this.#index();
    const end = first[member + 1] ?? 0;
    for (let at = first[member] ?? 0; at < end; at += 1) this.#enabled.add(turns[at] ?? 0);
  }

  disable(member: number): void {
    this.#disabledMembers += 1;
    const { turns, first } = this.#index();
    const end = first[member + 1] ?? 0;
    for (let at = first[member] ?? 0; at < end; at += 1) this.#enabled.delete(turns[at] ?? 0);
  }

  /** The first turn of an enabled member at or after `from`, around the ring; -1 when all are disabled. */
  nextFrom(from: number): number {
    if (this.#disabledMembers === 0 && from < this.owners.length) return from;
    return this.#enabled.nextFrom(from);
  }

  /** The first turn of a member. */
  firstOf(member: number): number {
    return this.owners.indexOf(member);
  }

  /** Built when a member is disabled for the first time: most lists are replaced before that. */
  #index(): TurnsByMember {
    this.#turnsByMember ??= turnsByMember(this.owners, this.#memberCount);
    return this.#turnsByMember;
  }
}

/** Turns in the order of their members; those of member `i` are at `first[i]` up to `first[i + 1]`. */
interface TurnsByMember {
  readonly turns: Int32Array;
  readonly first: Int32Array;
}

function turnsByMember(owners: Int32Array, memberCount: number): TurnsByMember {
  const first = new Int32Array(memberCount + 1);
  for (const member of owners) first[member + 1] = (first[member + 1] ?? 0) + 1;
  for (let member = 1; member <= memberCount; member += 1)
    first[member] = (first[member] ?? 0) + (first[member - 1] ?? 0);
  const next = first.slice();
  const turns = new Int32Array(owners.length);
  owners.forEach((member, turn) => {
    const at = next[member] ?? 0;
    turns[at] = turn;
    next[member] = at + 1;
  });
  return { turns, first };
}
