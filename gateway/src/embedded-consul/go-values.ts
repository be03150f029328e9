const unitMs = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Longer than any duration that means something. */
const maxDurationLength = 100;

/**
 * Milliseconds of a Go duration (`1m30s`, `250ms`, `1.5h`, `0`), the notation of Consul's API; undefined when it is none.
 * A number without a unit is none, apart from 0 (Go's `time.ParseDuration`).
 */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > maxDurationLength) return undefined;
  const [, sign, magnitude] = /^([-+]?)(.+)$/s.exec(text) ?? [];
  if (magnitude === undefined) return undefined;
  if (magnitude === '0') return 0;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(magnitude)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of magnitude.matchAll(/([\d.]+)([a-zµμ]+)/g))
    ms += Number(amount) * (unitMs.get(unit ?? '') ?? Number.NaN);
  if (!Number.isFinite(ms)) return undefined;
  return sign === '-' ? -ms : ms;
}

/** Go's `strconv.ParseBool`; undefined when it is neither. */
export function parseGoBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}

/** Digits of an unsigned 64-bit integer as a number (rounded above 2^53, which keeps its order); undefined when it is none. */
export function parseUint64(text: string): number | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  return BigInt(text) < 1n << 64n ? Number(text) : undefined;
}
