/** Points of the heaviest members; at least so many, less than twice as many. */
const pointsOfHeaviest = 64;

/** What stands on a hash ring. */
export interface RingMember {
  readonly key: string;
  /** A positive integer. */
  readonly weight: number;
}

/** Points on a circle of 2^32, in order, each with the place of the member that it belongs to. */
interface Points {
  readonly points: Uint32Array;
  readonly places: Int32Array;
}

/** Members on a hash ring. */
export interface Ring extends Points {
  readonly members: readonly RingMember[];
  /** How many points each member has. */
  readonly counts: Int32Array;
}

/** A ring with nobody on it. */
export const emptyRing: Ring = {
  points: new Uint32Array(0),
  places: new Int32Array(0),
  members: [],
  counts: new Int32Array(0),
};

/**
 * Puts members on a ring, the same in every process: where a member's points lie depends on its key only, and how many they are on its
 * weight relative to the power of two below the heaviest. So whoever comes or goes takes and leaves only its own share, unless the heaviest
 * weight crosses a power of two. Linear in the points, and quick about members that stand on the ring `before` with as many of them, when
 * both lists are in the order of their keys.
 */
export function createRing(members: readonly RingMember[], before: Ring = emptyRing): Ring {
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 1);
  const unit = 2 ** Math.floor(Math.log2(heaviest));
  const counts = Int32Array.from(members, ({ weight }) =>
    Math.max(1, Math.round((pointsOfHeaviest * weight) / unit)),
  );
  const kept = keptOf(before, members, counts);
  const isKept = new Uint8Array(members.length);
  for (const place of kept) if (place !== -1) isKept[place] = 1;
  const added = [...members.keys()].filter((place) => isKept[place] === 0);
  const size = counts.reduce((sum, count) => sum + count, 0);
  const { points, places } = merge(before, kept, sorted(pointsOf(members, added, counts)), size);
  return { points, places, members, counts };
}

/**
 * The new place of each member of an earlier ring, or -1 for one that is gone or has another number of points. Walks along both lists,
 * which are in the order of their keys, as a rule: whoever stands elsewhere counts as gone and is put on the ring anew.
 */
function keptOf(before: Ring, members: readonly RingMember[], counts: Int32Array): Int32Array {
  const kept = new Int32Array(before.members.length).fill(-1);
  let at = 0;
  before.members.forEach((member, place) => {
    let now = members[at];
    while (now !== undefined && now !== member && now.key < member.key) now = members[(at += 1)];
    if (now !== member) return;
    if (counts[at] === before.counts[place]) kept[place] = at;
    at += 1;
  });
  return kept;
}

function pointsOf(members: readonly RingMember[], which: readonly number[], counts: Int32Array): Points {
  const total = which.reduce((sum, place) => sum + (counts[place] ?? 0), 0);
  const points = new Uint32Array(total);
  const places = new Int32Array(total);
  let at = 0;
  for (const place of which) {
    const key = members[place]?.key ?? '';
    const seed = hashText(key, 0x811c_9dc5);
    const step = hashText(key, 0x9e37_79b9) | 1;
    const end = at + (counts[place] ?? 0);
    for (let k = 0; at < end; k += 1, at += 1) {
      points[at] = mix(seed + Math.imul(step, k));
      places[at] = place;
    }
  }
  return { points, places };
}

/** The points of those that are kept, at their new places, and of those that are added, `size` in all. Equal points go by place. */
function merge(before: Points, kept: Int32Array, added: Points, size: number): Points {
  const { points: pointsBefore, places: placesBefore } = before;
  const points = new Uint32Array(size);
  const places = new Int32Array(size);
  let end = 0;
  for (let old = 0; old < pointsBefore.length; old += 1) {
    const place = kept[placesBefore[old] ?? 0] ?? -1;
    if (place === -1) continue;
    points[end] = pointsBefore[old] ?? 0;
    places[end] = place;
    end += 1;
  }
  // From the last one on, each moves those behind it all at once: what is added is little, as a rule, and what is kept is much.
  for (let from = added.points.length - 1; from >= 0; from -= 1) {
    const point = added.points[from] ?? 0;
    const place = added.places[from] ?? 0;
    let at = end;
    while (at > 0 && isBehind(points[at - 1] ?? 0, point, (places[at - 1] ?? 0) - place)) at -= 1;
    const gap = from + 1;
    if (at < end) {
      points.copyWithin(at + gap, at, end);
      places.copyWithin(at + gap, at, end);
    }
    points[at + from] = point;
    places[at + from] = place;
    end = at;
  }
  return { points, places };
}

function isBehind(point: number, other: number, places: number): boolean {
  return point > other || (point === other && places > 0);
}

/** Index of the first point that is not below a hash, around the circle. O(log n). */
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

/** Spreads a 32-bit integer over all 32 bits, so that neighbours end far apart (the finish of MurmurHash3). */
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

/** By points; equal ones stay in the order of their places. Radix sort: linear, where comparing would cost most of an update. */
function sorted(ring: Points): Points {
  let from = ring;
  let into: Points = {
    points: new Uint32Array(ring.points.length),
    places: new Int32Array(ring.places.length),
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
      const place = next[digit] ?? 0;
      into.points[place] = point;
      into.places[place] = from.places[at] ?? 0;
      next[digit] = place + 1;
    }
    [from, into] = [into, from];
  }
  return from;
}
