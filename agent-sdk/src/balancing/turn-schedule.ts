/** Bounds the length of a schedule; heavier weights are scaled down to fit. */
const maxTurnsPerMember = 16;

/**
 * The cycle of turns of a weighted round robin: index `i` appears in proportion to `weights[i]` (positive integers), spread evenly. Equal
 * weights give 0, 1, 2 … Empty only if `weights` is.
 */
export function turnSchedule(weights: readonly number[]): Int32Array {
  const first = weights[0];
  if (first === undefined) return new Int32Array(0);
  if (weights.every((weight) => weight === first)) return upTo(weights.length);
  const divisor = weights.reduce(greatestCommonDivisor);
  const sum = weights.reduce((total, weight) => total + weight, 0) / divisor;
  const limit = maxTurnsPerMember * weights.length;
  const scale = sum > limit ? limit / sum : 1;
  return spread(weights.map((weight) => Math.max(1, Math.round((weight / divisor) * scale))));
}

/** 0, 1, 2 …; `Int32Array.from` takes ten times as long. */
function upTo(length: number): Int32Array {
  const indexes = new Int32Array(length);
  for (let index = 0; index < length; index += 1) indexes[index] = index;
  return indexes;
}

/** Every index as often as its count, at the middles of as many equal parts of the cycle; equal positions go by index. */
function spread(counts: readonly number[]): Int32Array {
  const total = counts.reduce((sum, count) => sum + count, 0);
  // Positions are spread evenly, so that a bucket sort with one bucket per turn leaves next to nothing to sort.
  const bucketOf = (at: number): number => Math.min(total - 1, Math.floor(at * total));
  const ends = new Int32Array(total + 1);
  counts.forEach((count) => {
    for (let k = 0; k < count; k += 1) {
      const bucket = bucketOf((k + 0.5) / count) + 1;
      ends[bucket] = (ends[bucket] ?? 0) + 1;
    }
  });
  for (let bucket = 1; bucket <= total; bucket += 1)
    ends[bucket] = (ends[bucket] ?? 0) + (ends[bucket - 1] ?? 0);
  const next = ends.slice();
  const turns = new Int32Array(total);
  const ats = new Float64Array(total);
  counts.forEach((count, index) => {
    for (let k = 0; k < count; k += 1) {
      const at = (k + 0.5) / count;
      const bucket = bucketOf(at);
      let turn = next[bucket] ?? 0;
      next[bucket] = turn + 1;
      // Indexes come in order: only a later position in the cycle gives way.
      for (const start = ends[bucket] ?? 0; turn > start && (ats[turn - 1] ?? 0) > at; turn -= 1) {
        ats[turn] = ats[turn - 1] ?? 0;
        turns[turn] = turns[turn - 1] ?? 0;
      }
      ats[turn] = at;
      turns[turn] = index;
    }
  });
  return turns;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
