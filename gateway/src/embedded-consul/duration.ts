const unitMs = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Longer than any meaningful duration. */
const maxLength = 100;

/**
 * Milliseconds of a duration in Go's notation (`1m30s`, `250ms`, `1.5h`, `0`), which Consul's API uses. Undefined for
 * anything else: a number needs a unit, unless it is 0.
 */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > maxLength || !/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text))
    return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g))
    ms += Number(amount) * (unitMs.get(unit ?? '') ?? Number.NaN);
  return Number.isFinite(ms) ? ms : undefined;
}
