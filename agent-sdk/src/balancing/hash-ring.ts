/** The heaviest member has at least so many points, and fewer than twice as many. */
const pointsOfHeaviest = 64;

/** A member of a hash ring. */
export interface RingMember {
  readonly key: string;
  /** A positive integer. */
  readonly weight: number;
}

/** Points on a circle of 2^32, in order, each with the index of the member that owns it. */
interface Points {
  readonly points: Uint32Array;
  readonly owners: Int32Array;
}

/** A hash ring with its members. */
export interface HashRing extends Points {
  readonly members: readonly RingMember[];
  /** Number of points of each member. */
  readonly counts: Int32Array;
}

/** A ring without members. */
export const emptyHashRing: HashRing = {
  points: new Uint32Array(0),
  owners: new Int32Array(0),
  members: [],
  counts: new Int32Array(0),
};

/**
 * Puts members on a ring, the same in every process: the positions of a member's points depend on its key only, and their number on its
 * weight relative to the power of two below the heaviest. So a member that comes or goes moves only its own share, unless the heaviest
 * weight crosses a power of two. Linear in the points; quick for members that have as many points on the ring `before`, when both lists are
 * in the order of their keys.
 */
export function createHashRing(members: readonly RingMember[], before: HashRing = emptyHashRing): HashRing {
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 1);
  const unit = 2 ** Math.floor(Math.log2(heaviest));
  const counts = Int32Array.from(members, ({ weight }) =>
    Math.max(1, Math.round((pointsOfHeaviest * weight) / unit)),
  );
  const kept = keptOf(before, members, counts);
  const isKept = new Uint8Array(members.length);
  for (const index of kept) if (index !== -1) isKept[index] = 1;
  const added = [...members.keys()].filter((index) => isKept[index] === 0);
  const size = counts.reduce((sum, count) => sum + count, 0);
  const { points, owners } = merge(before, kept, sorted(pointsOf(members, added, counts)), size);
  return { points, owners, members, counts };
}

/**
 * The new index of each member of an earlier ring, or -1 for one that is gone or has another number of points. Walks along both lists; a
 * member that is out of key order counts as gone and is added anew.
 */
function keptOf(before: HashRing, members: readonly RingMember[], counts: Int32Array): Int32Array {
  const kept = new Int32Array(before.members.length).fill(-1);
  let at = 0;
  before.members.forEach((member, index) => {
    let now = members[at];
    while (now !== undefined && now !== member && now.key < member.key) now = members[(at += 1)];
    if (now !== member) return;
    if (counts[at] === before.counts[index]) kept[index] = at;
    at += 1;
  });
  return kept;
}

function pointsOf(members: readonly RingMember[], which: readonly number[], counts: Int32Array): Points {
  const total = which.reduce((sum, index) => sum + (counts[index] ?? 0), 0);
  const points = new Uint32Array(total);
  const owners = new Int32Array(total);
  let at = 0;
  for (const index of which) {
    const key = members[index]?.key ?? '';
    const seed = hashText(key, 0x811c_9dc5);
    const step = hashText(key, 0x9e37_79b9) | 1;
    const end = at + (counts[index] ?? 0);
    for (let k = 0; at < end; k += 1, at += 1) {
      points[at] = mix(seed + Math.imul(step, k));
      owners[at] = index;
    }
  }
  return { points, owners };
}

/** The points of kept members with their new indexes, and those of added members, `size` in all. Equal points go by index. */
function merge(before: Points, kept: Int32Array, added: Points, size: number): Points {
  const { points: pointsBefore, owners: ownersBefore } = before;
  const points = new Uint32Array(size);
  const owners = new Int32Array(size);
  let end = 0;
  for (let old = 0; old < pointsBefore.length; old += 1) {
    const index = kept[ownersBefore[old] ?? 0] ?? -1;
    if (index === -1) continue;
    points[end] = pointsBefore[old] ?? 0;
    owners[end] = index;
    end += 1;
  }
  // From the last added point on, each moves all kept points behind it at once: usually few are added and many kept.
  for (let from = added.points.length - 1; from >= 0; from -= 1) {
    const point = added.points[from] ?? 0;
    const index = added.owners[from] ?? 0;
    let at = end;
    while (at > 0 && isBehind(points[at - 1] ?? 0, point, (owners[at - 1] ?? 0) - index)) at -= 1;
    const gap = from + 1;
    if (at < end) {
      points.copyWithin(at + gap, at, end);
      owners.copyWithin(at + gap, at, end);
    }
    points[at + from] = point;
    owners[at + from] = index;
    end = at;
  }
  return { points, owners };
}

function isBehind(point: number, other: number, owners: number): boolean {
  return point > other || (point === other && owners > 0);
}

/** Index of the first point at or after a hash, around the circle. O(log n). */
export function pointAt(points: Uint32Array, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return low < points.length ? low : 0;
}

/** Spreads a 32-bit integer over all 32 bits, so that neighbours end far apart (the finalizer of MurmurHash3). */
export function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** FNV-1a over UTF-16 code units. */
function hashText(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return mix(hash);
}

const digitBits = 11;

/** Sorts by points; equal points keep the order of their owners. A radix sort is linear; comparing would cost most of an update. */
function sorted(ring: Points): Points {
  let from = ring;
  let into: Points = {
    points: new Uint32Array(ring.points.length),
    owners: new Int32Array(ring.owners.length),
  };
  const mask = 2 ** digitBits - 1;
  for (let shift = 0; shift < 32; shift += digitBits) {
    const next = new Uint32Array(mask + 2);
    for (const point of from.points)
      next[((point >>> shift) & mask) + 1] = (next[((point >>> shift) & mask) + 1] ?? 0) + 1;
    for (let digit = 1; digit <= mask; digit += 1) next[digit] = (next[digit] ?? 0) + (next[digit - 1] ?? 0);
    for (let at = 0; at < from.points.length; at += 1) {
      const point = from.points[at] ?? 0;
      const digit = (point >>> shift) & mask;
      const index = next[digit] ?? 0;
      into.points[index] = point;
      into.owners[index] = from.owners[at] ?? 0;
      next[digit] = index + 1;
    }
    [from, into] = [into, from];
  }
  return from;
}
