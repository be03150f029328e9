import type { Setting } from '../discovery/environment.ts';

import { suggest } from '../suggest.ts';

import { ServiceError } from './service-error.ts';

/** Where a rule reads: one option or one environment variable. */
export interface Place {
  /** `routes[2].prefix`, or the variable's name. */
  readonly path: string;
  /** Environment variables as a plain record. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly problems: string[];
}

/**
 * Reads one option that a caller without TypeScript may have got wrong. A wrong value is a problem, {@link wrong} adds the
 * sentence, and reading goes on, so that all problems are found at once.
 */
export type Rule<T> = (value: unknown, place: Place) => T;

/** A rule for each member of an object. */
export type Rules = Readonly<Record<string, Rule<unknown>>>;

/** What {@link Rules} read. */
export type Values<R extends Rules> = { readonly [K in keyof R]: ReturnType<R[K]> };

/** Reads all options of a call. Throws ServiceError `invalid_options` with every problem, one sentence each. */
export function readOptions<R extends Rules>(rules: R, options: unknown, env: Place['env']): Values<R> {
  const problems: string[] = [];
  if (!isRecord(options)) problems.push(`The options must be an object, not ${show(options)}.`);
  const values = readMembers(rules, isRecord(options) ? options : {}, { path: '', env, problems });
  if (problems.length > 0) throw new ServiceError('invalid_options', [...new Set(problems)]);
  return values;
}

/** Reports a problem of the option at a place, on one line; `what` completes a sentence that begins with the place. */
export function wrong(place: Place, what: string): void {
  const end = what.endsWith('?') ? '' : '.';
  place.problems.push(`${place.path} ${what}${end}`.replace(/\p{Cc}/gu, '?'));
}

/** Members without a rule are problems as well: a misspelt option must not be ignored. */
function readMembers<R extends Rules>(
  rules: R,
  values: Readonly<Record<string, unknown>>,
  place: Place,
): Values<R> {
  const known = Object.keys(rules).sort();
  for (const key of Object.keys(values)) {
    if (Object.hasOwn(rules, key)) continue;
    const meant = suggest(key, known);
    const rest = meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
    wrong(member(place, key), `is no option; ${rest}`);
  }
  const read = Object.entries(rules).map(([key, rule]) => [key, rule(values[key], member(place, key))]);
  return Object.fromEntries(read) as Values<R>;
}

function member(place: Place, key: string): Place {
  const name = key.slice(0, 40);
  return { ...place, path: place.path === '' ? name : `${place.path}.${name}` };
}

/** A value that `read` understands; undefined from `read` means that it is wrong. */
export function optional<T>(mustBe: string, read: (value: unknown) => T | undefined): Rule<T | undefined> {
  return (value, place) => {
    if (value === undefined) return undefined;
    const result = read(value);
    if (result === undefined) wrong(place, `is ${show(value)}; it must be ${mustBe}`);
    return result;
  };
}

export function text(pattern: RegExp, mustBe: string): Rule<string | undefined> {
  return optional(mustBe, (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined));
}

export function integer(min: number, max: number): Rule<number | undefined> {
  return optional(`a whole number from ${min} to ${max}`, (value) => within(value, min, max));
}

/** The value if it is a whole number of this range, both ends included. */
export function within(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
    ? value
    : undefined;
}

export function oneOf<T extends string>(...words: readonly T[]): Rule<T | undefined> {
  return optional(words.map((word) => `'${word}'`).join(' or '), (value) =>
    words.find((word) => word === value),
  );
}

/** A function; its parameters can't be checked. */
export function callback<T>(): Rule<T | undefined> {
  return optional('a function', (value) => (typeof value === 'function' ? (value as T) : undefined));
}

/** Replaces what is not set. */
export function byDefault<T>(rule: Rule<T | undefined>, value: T): Rule<T> {
  return (given, place) => rule(given, place) ?? value;
}

/** What is not set is a problem, so that after {@link readOptions} the value is there. */
export function required<T>(rule: Rule<T | undefined>, missing: string): Rule<T> {
  return (value, place) => {
    if (value === undefined) wrong(place, `is missing: ${missing}`);
    return rule(value, place) as T;
  };
}

/** The option, else an environment variable; an empty variable counts as not set. `read` turns its text into an option's value. */
export function orVariable<T>(
  name: string,
  rule: Rule<T | undefined>,
  read: (text: string) => unknown = (text) => text,
): Rule<Setting<T> | undefined> {
  return (option, place) => {
    const variable = place.env[name];
    const [given, at, origin] =
      option === undefined && variable !== undefined && variable !== ''
        ? [read(variable), { ...place, path: name }, name]
        : [option, place, `option ${place.path}`];
    const value = rule(given, at);
    return value === undefined ? undefined : { value, origin };
  };
}

/** An object with these members and no others. */
export function object<R extends Rules>(rules: R): Rule<Values<R> | undefined> {
  return (value, place) => {
    const values = record(value, place);
    return values && readMembers(rules, values, place);
  };
}

/** A list of such items; not set is an empty one. */
export function list<T>(item: Rule<T | undefined>): Rule<readonly T[]> {
  const entries = optional('a list', (value) =>
    Array.isArray(value) ? (value as readonly unknown[]) : undefined,
  );
  return (value, place) =>
    (entries(value, place) ?? []).flatMap(
      (entry, index) => item(entry ?? null, { ...place, path: `${place.path}[${index}]` }) ?? [],
    );
}

/** An object whose members have names of a pattern and are read by one rule. Not set is an empty one. */
export function named<T>(name: RegExp, item: Rule<T | undefined>): Rule<Readonly<Record<string, T>>> {
  return (value, place) =>
    Object.fromEntries(
      Object.entries(record(value, place) ?? {}).flatMap(([key, entry]) => {
        const at = member(place, key);
        if (!name.test(key)) wrong(at, 'has a name that Consul does not take');
        const read = item(entry ?? null, at);
        return read === undefined ? [] : [[key, read]];
      }),
    );
}

/** An object of texts; `problemOf` says what is wrong with a member. Not set is an empty one. */
export function texts(
  problemOf: (key: string, value: unknown) => string | undefined,
): Rule<Readonly<Record<string, string>>> {
  return (value, place) =>
    Object.fromEntries(
      Object.entries(record(value, place) ?? {}).flatMap(([key, entry]) => {
        const problem = problemOf(key, entry);
        if (problem !== undefined) wrong(member(place, key), problem);
        return typeof entry === 'string' ? [[key, entry]] : [];
      }),
    );
}

const record = optional('an object', (value) => (isRecord(value) ? value : undefined));

/** Whether a value is an object and no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as it may stand in a message: short, on one line. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : value === null ? 'null' : `of type ${typeof value}`;
}
