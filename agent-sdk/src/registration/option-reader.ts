/** Reads options that callers without TypeScript may have got wrong, and collects every problem instead of stopping at one. */
export interface OptionReader {
  /** One sentence per problem; shared with nested readers. */
  readonly problems: string[];
  problem(key: string, what: string): void;
  /** Whether the option is there and not undefined. */
  has(key: string): boolean;
  isRecord(key: string): boolean;
  /** Every key that is not among these is a problem: misspelt options must not be ignored. */
  unknownKeys(known: readonly string[]): void;
  text(key: string, form: { readonly pattern: RegExp; readonly allowed: string }): string | undefined;
  integer(key: string, range: { readonly min: number; readonly max: number }): number | undefined;
  callback(key: string): void;
  list(key: string): readonly unknown[];
  record(key: string): Readonly<Record<string, unknown>> | undefined;
}

/** A reader of `options`; `place` is put in front of the keys in messages. */
export function createOptionReader(options: unknown, place = '', problems: string[] = []): OptionReader {
  const values = isPlainRecord(options) ? options : {};
  if (!isPlainRecord(options)) {
    problems.push(
      `${place === '' ? 'The options' : place.replace(/\.$/u, '')} must be an object, not ${show(options)}.`,
    );
  }
  const problem = (key: string, what: string): void => {
    problems.push(`${place}${key} ${what}.`);
  };
  const wrong = (key: string, allowed: string): void => {
    problem(key, `is ${show(values[key])}; it must be ${allowed}`);
  };
  const has = (key: string): boolean => values[key] !== undefined;
  return {
    problems,
    problem,
    has,
    isRecord: (key) => isPlainRecord(values[key]),
    unknownKeys(known) {
      for (const key of Object.keys(values)) {
        if (!known.includes(key))
          problem(key.slice(0, 40), `is no option; there are ${[...known].sort().join(', ')}`);
      }
    },
    text(key, { pattern, allowed }) {
      const value = values[key];
      if (value === undefined) return undefined;
      if (typeof value === 'string' && pattern.test(value)) return value;
      wrong(key, allowed);
      return undefined;
    },
    integer(key, { min, max }) {
      const value = values[key];
      if (value === undefined) return undefined;
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      wrong(key, `a whole number from ${min} to ${max}`);
      return undefined;
    },
    callback(key) {
      if (has(key) && typeof values[key] !== 'function') wrong(key, 'a function');
    },
    list(key) {
      const value = values[key];
      if (value === undefined) return [];
      if (Array.isArray(value)) return value as readonly unknown[];
      wrong(key, 'a list');
      return [];
    },
    record(key) {
      const value = values[key];
      if (value === undefined) return undefined;
      if (isPlainRecord(value)) return value;
      wrong(key, 'an object');
      return undefined;
    },
  };
}

function isPlainRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as it may stand in a message: short, on one line. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : value === null ? 'null' : `of type ${typeof value}`;
}
