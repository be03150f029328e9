/** A whole number that a query may carry. */
export interface IntegerParameter {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The value when the query does not name it. */
  readonly fallback: number;
}

/**
 * Reads it from a parsed query: digits only, given at most once. Undefined when it is something else. (Not a schema of
 * type integer: its coercion lets `Infinity` through, and past the bounds.)
 */
export function readInteger(
  query: unknown,
  { name, min, max, fallback }: IntegerParameter,
): number | undefined {
  const text = (query as Readonly<Record<string, unknown>>)[name];
  if (text === undefined) return fallback;
  if (typeof text !== 'string' || !/^\d{1,12}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** The body of the 400 for a parameter that could not be read. */
export function refusal({ name, min, max }: IntegerParameter): Readonly<Record<string, string | number>> {
  return {
    statusCode: 400,
    error: 'Bad Request',
    message: `"${name}" must be a whole number from ${min} to ${max}`,
  };
}
