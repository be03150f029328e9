/** The value below which a share of the samples lies (nearest rank); 0 without samples. Sorts a copy. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** The middle one, or the mean of the middle two; 0 without samples. */
export function median(samples: readonly number[]): number {
  const sorted = Float64Array.from(samples).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** How far the samples lie apart: (largest − smallest) / median; 0 for fewer than two. */
export function spread(samples: readonly number[]): number {
  const middle = median(samples);
  if (samples.length < 2 || middle === 0) return 0;
  return (Math.max(...samples) - Math.min(...samples)) / middle;
}
