import { suggest } from '@roundhouse/agent-sdk/internal';
import { z } from 'zod';

import { showPath, valueAt, type ConfigPath } from './config-path.ts';
import { configSchema } from './schema.ts';

/** One thing that is wrong with the configuration, with its place. Problems are collected, never thrown one at a time. */
export interface ConfigProblem {
  /** Where the value stands: `gateway.yaml:12:5 routes[0].prefix`, `GATEWAY_PORT` or `--port`. */
  readonly place: string;
  /** What is wrong, with the value received and what is allowed. */
  readonly message: string;
}

/** All problems as one text for a terminal, a line each. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`The configuration has ${count}:`, ...problems.map((p) => `  ${p.place}: ${p.message}`)].join('\n');
}

/** The problems of a file from its top to its end, then the others as they came. */
export function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const position = ({ place }: ConfigProblem): readonly [line: number, column: number] => {
    const [, line = Infinity, column = 0] = /:(\d+):(\d+)(?: |$)/.exec(place) ?? [];
    return [Number(line), Number(column)];
  };
  return problems
    .map((problem) => ({ problem, position: position(problem) }))
    .sort(({ position: [a, x] }, { position: [b, y] }) => (a === b ? x - y : a < b ? -1 : 1))
    .map(({ problem }) => problem);
}

/** A value as it was received, short and harmless on a terminal. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (an empty value)';
  // JSON escapes C0 controls; the others that move a cursor are DEL and C1.
  const text = (JSON.stringify(value) as string | undefined) ?? typeof value;
  const safe = text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return safe.length > 60 ? `${safe.slice(0, 57)}…` : safe;
}

/** Settings whose value is never shown, neither in problems nor in the effective configuration. */
export const secretPaths: ReadonlySet<string> = new Set(['admin.token', 'stickySecret']);

/** Whether the value at this place of the file is a secret. */
export function isSecret(path: string): boolean {
  return secretPaths.has(path);
}

/** The message for a value at `path` that breaks a rule; a secret is not shown. */
export function refusal(path: string, received: unknown, allowed: string): string {
  if (received === undefined) return `is missing; needed: ${allowed}`;
  return `got ${isSecret(path) ? 'a value that is not shown' : showValue(received)}; allowed: ${allowed}`;
}

/** Zod's issues with a file as problems, one for each place. */
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
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
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

function unknownKey(key: string, known: readonly string[]): string {
  const meant = suggest(key, known);
  return meant === undefined
    ? `unknown key ${showValue(key)}; known here: ${known.join(', ')}`
    : `unknown key ${showValue(key)}; did you mean ${meant}?`;
}

/** The keys that the mapping at a path may have. */
function knownKeys(path: ConfigPath): readonly string[] {
  const schema = path.reduce<z.core.$ZodType | undefined>(
    (at, step) => (at === undefined ? undefined : child(bare(at), step)),
    configSchema,
  );
  const group = schema === undefined ? undefined : bare(schema);
  return group instanceof z.ZodObject ? Object.keys(group.shape) : [];
}

function child(schema: z.core.$ZodType, step: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return (schema.shape as z.core.$ZodShape)[String(step)];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
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
