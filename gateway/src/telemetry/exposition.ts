import { durationBuckets, type Distribution } from './request-series.ts';

/** The Prometheus text format 0.0.4, for numbers that we count ourselves. */

type Labels = Readonly<Record<string, string | number>>;

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

/** `{route="/api",code="200"}`; empty for no labels. */
export function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, (c) => escapes[c] ?? c)}"`,
  );
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

/** One family of counters or gauges: name, help, samples. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: Iterable<readonly [Labels, number]>;
}

/** The lines of a family. */
export function* familyLines({ name, type, help, samples }: Family): Generator<string> {
  yield `# HELP ${name} ${help}`;
  yield `# TYPE ${name} ${type}`;
  for (const [labels, value] of samples) yield `${name}${labelText(labels)} ${value}`;
}

/** The lines of a histogram of seconds. */
export function* histogramLines(
  name: string,
  help: string,
  samples: Iterable<readonly [Labels, Distribution]>,
): Generator<string> {
  yield `# HELP ${name} ${help}`;
  yield `# TYPE ${name} histogram`;
  for (const [labels, { counts, sum }] of samples) {
    const own = labelText(labels);
    const open = own === '' ? '{' : `${own.slice(0, -1)},`;
    let total = 0;
    for (const [index, count] of counts.entries()) {
      total += count;
      yield `${name}_bucket${open}le="${durationBuckets[index] ?? '+Inf'}"} ${total}`;
    }
    yield `${name}_sum${own} ${sum}`;
    yield `${name}_count${own} ${total}`;
  }
}
