/** The longest schedule of an upstream; heavier weights are scaled down to fit. */
const maxSlotsPerEndpoint = 16;

/**
 * The order in which a weighted round robin visits its endpoints: index `i` appears in proportion to `weights[i]` (positive
 * integers), spread evenly over the cycle. Equal weights give 0, 1, 2 … Never empty unless `weights` is.
 */
export function roundRobinSchedule(weights: readonly number[]): Int32Array {
  const first = weights[0];
  if (first === undefined) return new Int32Array(0);
  if (weights.every((weight) => weight === first)) return upTo(weights.length);
  const divisor = weights.reduce(greatestCommonDivisor);
  const sum = weights.reduce((total, weight) => total + weight, 0) / divisor;
  const limit = maxSlotsPerEndpoint * weights.length;
  const scale = sum > limit ? limit / sum : 1;
  return spread(weights.map((weight) => Math.max(1, Math.round((weight / divisor) * scale))));
}

/** 0, 1, 2 …; `Int32Array.from` takes ten times as long. */
function upTo(length: number): Int32Array {
  const places = new Int32Array(length);
  for (let place = 0; place < length; place += 1) places[place] = place;
  return places;
}

/** Every index as often as its count says, at the middles of as many equal parts of the cycle; who meets goes by index. */
function spread(counts: readonly number[]): Int32Array {
  const total = counts.reduce((sum, count) => sum + count, 0);
  // The places are spread evenly, so that sorting them into as many buckets as there are leaves next to nothing to sort.
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
  const slots = new Int32Array(total);
  const ats = new Float64Array(total);
  counts.forEach((count, index) => {
    for (let k = 0; k < count; k += 1) {
      const at = (k + 0.5) / count;
      const bucket = bucketOf(at);
      let place = next[bucket] ?? 0;
      next[bucket] = place + 1;
      // Indexes come in order: only a later place in the cycle gives way.
      for (const start = ends[bucket] ?? 0; place > start && (ats[place - 1] ?? 0) > at; place -= 1) {
        ats[place] = ats[place - 1] ?? 0;
        slots[place] = slots[place - 1] ?? 0;
      }
      ats[place] = at;
      slots[place] = index;
    }
  });
  return slots;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
