import { z } from 'zod';

import { showPath, type ConfigPath } from './config-file.ts';
import { showValue, type ConfigProblem } from './problem.ts';
import { configSchema } from './schema.ts';
import { isSecret } from './secrets.ts';
import { suggest } from './suggest.ts';

const isGroup = (value: unknown): value is Readonly<Record<string | number, unknown>> =>
  typeof value === 'object' && value !== null;

/** The value at a path of plain data; undefined where there is none. */
function valueAt(data: unknown, path: ConfigPath): unknown {
  let at = data;
  for (const step of path) {
    if (!isGroup(at) || !Object.hasOwn(at, step)) return undefined;
    at = at[step];
  }
  return at;
}

/** The schema without its default, optional and transform wrappers. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPipe) return bare(schema.in);
  const wrapped =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional;
  return wrapped ? bare(schema.unwrap()) : schema;
}

/** The keys that the mapping at a path may have. */
function knownKeys(path: ConfigPath): readonly string[] {
  let at: z.core.$ZodType | undefined = configSchema;
  for (const step of path) {
    if (at === undefined) return [];
    const schema = bare(at);
    if (schema instanceof z.ZodObject) {
      const shape: z.core.$ZodShape = schema.shape;
      at = shape[String(step)];
    } else if (schema instanceof z.ZodArray) {
      at = schema.element;
    } else if (schema instanceof z.ZodRecord) {
      at = schema.valueType;
    } else {
      return [];
    }
  }
  const schema = at === undefined ? undefined : bare(at);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = suggest(key, known);
  return meant === undefined
    ? `unknown key ${showValue(key)}; known here: ${known.join(', ')}`
    : `unknown key ${showValue(key)}; did you mean ${meant}?`;
}

const asPath = (path: readonly PropertyKey[]): ConfigPath =>
  path.map((step) => (typeof step === 'number' ? step : String(step)));

/** What a rule says about a value at `path` that breaks it; a secret is not shown. */
export function refusal(path: string, received: unknown, allowed: string): string {
  if (received === undefined) return `is missing; needed: ${allowed}`;
  return `got ${isSecret(path) ? 'a value that is not shown' : showValue(received)}; allowed: ${allowed}`;
}

/** Zod's issues with a file as problems of ours, one for each place. */
export function fileProblems(
  issues: readonly z.core.$ZodIssue[],
  data: unknown,
  place: (path: ConfigPath) => string,
): readonly ConfigProblem[] {
  const problems = new Map<string, ConfigProblem>();
  const add = (path: ConfigPath, message: string): void => {
    const where = place(path);
    const key = `${where} ${path.join(' ')}`;
    if (!problems.has(key)) problems.set(key, { place: where, message });
  };
  for (const issue of issues) {
    const path = asPath(issue.path);
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(path);
      for (const key of issue.keys) add([...path, key], unknownKey(key, known));
    } else if (issue.code === 'invalid_key') {
      add(path, refusal(showPath(path), path.at(-1), issue.issues[0]?.message ?? issue.message));
    } else {
      add(path, refusal(showPath(path), valueAt(data, path), issue.message));
    }
  }
  return [...problems.values()];
}
