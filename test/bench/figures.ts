import { showProgress } from './lifetime.ts';
import { median, percentile } from './statistics.ts';

/** A figure: median and the slowest twentieth of many repetitions. */
export interface Figure {
  readonly what: string;
  readonly unit: 'ms' | 'µs' | 'ns';
  readonly median: number;
  readonly p95: number;
  readonly repetitions: number;
}

const unitsPerMs = { ms: 1, µs: 1_000, ns: 1_000_000 } as const;

/** How a figure is taken. */
export interface Repeat {
  readonly repetitions: number;
  /** How often each repetition does it; the figure is for one. */
  readonly calls: number;
}

/** Repeats something, with a tenth more before to warm up. */
export function time(
  what: string,
  unit: Figure['unit'],
  { repetitions, calls }: Repeat,
  act: (k: number) => void,
): Figure {
  showProgress(what);
  const samples: number[] = [];
  for (let repetition = -Math.ceil(repetitions / 10); repetition < repetitions; repetition += 1) {
    const startedMs = performance.now();
    for (let call = 0; call < calls; call += 1) act(call);
    const eachMs = (performance.now() - startedMs) / calls;
    if (repetition >= 0) samples.push(eachMs * unitsPerMs[unit]);
  }
  return figure(what, unit, samples);
}

/** The figure of samples taken elsewhere. */
export function figure(what: string, unit: Figure['unit'], samples: readonly number[]): Figure {
  return { what, unit, median: median(samples), p95: percentile(samples, 0.95), repetitions: samples.length };
}
