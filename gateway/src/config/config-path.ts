/** Keys and indexes from the root of the file to a value. */
export type ConfigPath = readonly (string | number)[];

/** `['routes', 0, 'prefix']` as `routes[0].prefix`. */
export function showPath(path: ConfigPath): string {
  return path.reduce<string>(
    (out, step) => (typeof step === 'number' ? `${out}[${step}]` : out === '' ? step : `${out}.${step}`),
    '',
  );
}

const isGroup = (value: unknown): value is Readonly<Record<string | number, unknown>> =>
  typeof value === 'object' && value !== null;

/** The value at a path of plain data; undefined where there is none. */
export function valueAt(data: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (at, step) => (isGroup(at) && Object.hasOwn(at, step) ? at[step] : undefined),
    data,
  );
}

/** A copy of plain data with another value at a path of keys; mappings that are missing on the way are made. */
export function withValue(data: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const group = isGroup(data) ? data : {};
  return { ...group, [key]: withValue(group[key], rest, value) };
}
