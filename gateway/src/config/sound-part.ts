import type { z } from 'zod';

import { valueAt, type ConfigPath } from './config-path.ts';

/** The part of a file that is right by itself: rules between settings can be checked in it, beside the problems of the rest. */
export interface SoundPart {
  /** Without settings that are wrong, and without routes and services in which something is. */
  readonly data: unknown;
  /** Whether the file has a wrong value at the place of a setting. */
  isWrong(path: string): boolean;
  /** Where in the file a value of `data` stands: routes have moved up. */
  pathInFile(path: ConfigPath): ConfigPath;
}

/** See {@link SoundPart}. `issues`: what the schema says of the data. */
export function soundPart(data: unknown, issues: readonly z.core.$ZodIssue[]): SoundPart {
  const wrong = issues.flatMap(({ path, ...issue }) =>
    'keys' in issue ? issue.keys.map((key) => [...path.map(step), key]) : [path.map(step)],
  );
  const badRoutes = new Set(wrong.flatMap(([key, index]) => (key === 'routes' ? [index] : [])));
  const sound = wrong.reduce(
    (rest, path) => without(rest, path[0] === 'services' ? path.slice(0, 2) : path),
    data,
  );
  const rows = valueAt(data, ['routes']);
  const kept = Array.isArray(rows) ? [...rows.keys()].filter((index) => !badRoutes.has(index)) : [];
  return {
    data:
      Array.isArray(rows) && isMapping(sound) && Object.hasOwn(sound, 'routes')
        ? { ...sound, routes: kept.map((index) => rows[index] as unknown) }
        : sound,
    isWrong: (path) =>
      wrong.some((steps) => path === steps.join('.') || path.startsWith(`${steps.join('.')}.`)),
    pathInFile: ([key, index, ...rest]) =>
      key === 'routes' && typeof index === 'number'
        ? [key, kept[index] ?? index, ...rest]
        : [key, index, ...rest].filter((one) => one !== undefined),
  };
}

const step = (key: PropertyKey): string | number => (typeof key === 'number' ? key : String(key));

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy of mappings without what stands at a path; a list on the way is left out as a whole, unless it is that of routes. */
function without(data: unknown, [key, ...rest]: ConfigPath): unknown {
  if (!isMapping(data) || key === undefined || key === 'routes') return data;
  const { [key]: inner, ...others } = data;
  return rest.length > 0 && isMapping(inner) ? { ...others, [key]: without(inner, rest) } : others;
}
