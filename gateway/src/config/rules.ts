import { z } from 'zod';

import type { Parsed } from './address.ts';

/**
 * Rules for values, and how rules become the fields of a mapping. The message of a rule says what is allowed; it stands after
 * "allowed:". A field has a default and a meaning (the "meaning" column of the docs). A group is a mapping of fields with
 * `.prefault({})`. An override of a field or a group has no default: what is left out stays as it is elsewhere.
 */

const longestTimerMs = 2_147_483_647;

/** A whole number; `unit` completes the sentence (` of bytes`). */
export const whole = (min: number, max: number, unit = ''): z.ZodNumber => {
  const error = `a whole number${unit} from ${min} to ${max}`;
  return z.number(error).int(error).min(min, error).max(max, error);
};
/** A time that a Node timer can hold. */
export const milliseconds = (min: number): z.ZodNumber => whole(min, longestTimerMs, ' of milliseconds');
/** A number that need not be whole. */
export const share = (min: number, max: number): z.ZodNumber => {
  const error = `a number from ${min} to ${max}`;
  return z.number(error).min(min, error).max(max, error);
};
/** One of a closed list. */
export const choice = <const T extends readonly [string, ...string[]]>(
  values: T,
): z.ZodEnum<{ [K in T[number]]: K }> => z.enum(values, `one of ${values.join(', ')}`);
/** Text of a certain form. */
export const text = (pattern: RegExp, allowed: string): z.ZodString =>
  z.string(allowed).regex(pattern, allowed);
/** A list of numbers of a closed list. */
export const numbers = (allowed: readonly number[]): z.ZodArray<z.ZodNumber> => {
  const error = `one of ${allowed.join(', ')}`;
  return z.array(
    z.number(error).refine((value) => allowed.includes(value), { error }),
    `a list of numbers out of ${allowed.join(', ')}`,
  );
};
/** A name that Consul takes for a service. */
export const serviceName: z.ZodString = text(
  /^(?!\.{1,2}$)[^\p{Cc}]{1,512}$/u,
  'a service name: 1 to 512 characters without control characters',
);
/** The target of a check: a path, with a query if need be, that goes onto the wire as it is. */
export const checkPath: z.ZodString = text(
  /^\/[!-"$-~]{0,1023}$/,
  'a path that starts with /, without spaces and #, at most 1024 characters',
);
/** Text that a parser turns into a value in normal form; its problem is the text of the refusal. */
export const read = <T>(
  parse: (text: string) => Parsed<T>,
  allowed: string,
): z.ZodPipe<z.ZodString, z.ZodTransform<T, string>> =>
  z.string(allowed).transform((raw, context) => {
    const parsed = parse(raw);
    if ('value' in parsed) return parsed.value;
    context.addIssue({ code: 'custom', message: parsed.problem });
    return z.NEVER;
  });

/** A rule with its default and its meaning. */
export function field<S extends z.ZodType>(
  rule: S,
  fallback: z.core.util.NoUndefined<z.output<S>>,
  meaning: string,
): z.ZodDefault<S> {
  return rule.default(fallback).describe(meaning);
}

/** A field that a running gateway can't change: it is read at the start only. Any other field changes live. */
export function startField<S extends z.ZodType>(
  rule: S,
  fallback: z.core.util.NoUndefined<z.output<S>>,
  meaning: string,
): z.ZodDefault<S> {
  return field(rule, fallback, meaning).meta({ reload: 'restart' });
}

/** Whether a field was made by {@link startField}. */
export function isStartField(schema: z.ZodType): boolean {
  return schema.meta()?.['reload'] === 'restart';
}

/** A mapping with these keys and no others; its message names them. */
export function mapping<S extends z.core.$ZodLooseShape>(
  shape: S,
): z.ZodObject<z.core.util.Writeable<S>, z.core.$strict> {
  return z.strictObject(shape, `a mapping with ${Object.keys(shape).join(', ')}`);
}

/** The fields of `S` as overrides, those of groups too. */
export type Overrides<S> = {
  -readonly [K in keyof S]: S[K] extends z.ZodDefault<infer Rule extends z.ZodType>
    ? z.ZodExactOptional<Rule>
    : S[K] extends z.ZodPrefault<z.ZodObject<infer Fields, z.core.$strict>>
      ? z.ZodExactOptional<z.ZodObject<Overrides<Fields>, z.core.$strict>>
      : never;
};

/** Turns fields with defaults into overrides by the same rules, so that no rule is written twice. */
export function overrides<S extends z.core.$ZodShape>(shape: S): Overrides<S> {
  const entries = Object.entries(shape).map(([key, schema]): [string, z.ZodExactOptional] => {
    if (schema instanceof z.ZodDefault) return [key, z.exactOptional(schema.unwrap())];
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : undefined;
    if (inner instanceof z.ZodObject) return [key, mapping(overrides(inner.shape)).exactOptional()];
    throw new TypeError(`${key} is neither a field nor a group`);
  });
  // The one place where keys computed at run time meet the type computed from the same shape.
  return Object.fromEntries(entries) as Overrides<S>;
}
