import { z } from 'zod';

import type { Parsed } from './address.ts';

/** Kinds of values. The message of each rule is what is allowed, to stand after "allowed:". */

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
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
  'a service name: letters, digits, . _ -, at most 128',
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
