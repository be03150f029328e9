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
 * weight crosses a power of two. Linear in the points, and quick about members that stand on the ring `before` with as many of them.
 */
export function createRing(members: readonly RingMember[], before: Ring = emptyRing): Ring {
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 1);
  const unit = 2 ** Math.floor(Math.log2(heaviest));
  const counts = Int32Array.from(members, ({ weight }) =>
    Math.max(1, Math.round((pointsOfHeaviest * weight) / unit)),
  );
  const placeOf = new Map(members.map((member, place) => [member, place]));
  const kept = Int32Array.from(before.members, (member, place) => {
    const now = placeOf.get(member) ?? -1;
    return counts[now] === before.counts[place] ? now : -1;
  });
  const known = new Set(kept);
  const added = [...members.keys()].filter((place) => !known.has(place));
  return { ...merge(before, kept, sorted(pointsOf(members, added, counts))), members, counts };
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

/** The points of those that are kept, at their new places, and of those that are added. Equal points go by place. */
function merge(before: Points, kept: Int32Array, added: Points): Points {
  let total = added.points.length;
  for (const place of before.places) if (kept[place] !== -1) total += 1;
  const points = new Uint32Array(total);
  const places = new Int32Array(total);
  let from = 0;
  let to = 0;
  const take = (point: number, place: number): void => {
    points[to] = point;
    places[to] = place;
    to += 1;
  };
  for (let old = 0; old < before.points.length; old += 1) {
    const place = kept[before.places[old] ?? 0] ?? -1;
    if (place === -1) continue;
    const point = before.points[old] ?? 0;
    for (; from < added.points.length; from += 1) {
      const other = added.points[from] ?? 0;
      const otherPlace = added.places[from] ?? 0;
      if (other > point || (other === point && otherPlace > place)) break;
      take(other, otherPlace);
    }
    take(point, place);
  }
  for (; from < added.points.length; from += 1) take(added.points[from] ?? 0, added.places[from] ?? 0);
  return { points, places };
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
