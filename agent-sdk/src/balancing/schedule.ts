/** The longest schedule of an upstream; heavier weights are scaled down to fit. */
const maxSlotsPerEndpoint = 16;

/**
 * The order in which a weighted round robin visits its endpoints: index `i` appears in proportion to `weights[i]` (positive
 * integers), spread evenly over the cycle. Equal weights give 0, 1, 2 … Never empty unless `weights` is.
 */
export function roundRobinSchedule(weights: readonly number[]): readonly number[] {
  const first = weights[0];
  if (first === undefined) return [];
  if (weights.every((weight) => weight === first)) return weights.map((_, index) => index);
  const divisor = weights.reduce(greatestCommonDivisor);
  const total = weights.reduce((sum, weight) => sum + weight, 0) / divisor;
  const limit = maxSlotsPerEndpoint * weights.length;
  const scale = total > limit ? limit / total : 1;
  const slots: { readonly at: number; readonly index: number }[] = [];
  weights.forEach((weight, index) => {
    const count = Math.max(1, Math.round((weight / divisor) * scale));
    for (let k = 0; k < count; k += 1) slots.push({ at: (k + 0.5) / count, index });
  });
  return slots.sort((a, b) => a.at - b.at || a.index - b.index).map((slot) => slot.index);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
