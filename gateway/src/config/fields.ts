import { z } from 'zod';

/**
 * How rules become the fields of a mapping. A field has a default and a meaning (the "meaning" column of the docs), a group is a
 * mapping of fields with `.prefault({})`; an override of either has no default: what is left out stays as it is elsewhere.
 */

/** A rule with what holds when nothing is said. */
export function field<S extends z.ZodType>(
  rule: S,
  fallback: z.core.util.NoUndefined<z.output<S>>,
  meaning: string,
): z.ZodDefault<S> {
  return rule.default(fallback).describe(meaning);
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
