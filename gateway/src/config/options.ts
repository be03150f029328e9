import { z } from 'zod';

import { showValue, type ConfigProblem } from './problems.ts';
import { isStartField } from './rules.ts';
import { configSchema } from './schema.ts';
import { suggest } from '@roundhouse/agent-sdk/internal';

/** How text from the environment or a flag becomes a value. */
export type OptionKind = 'number' | 'list' | 'numbers' | 'choice' | 'text';

/** A setting that file, environment and flags can all give. */
export interface ConfigOption {
  /** Its place in the file: `limits.headBytes`. */
  readonly path: string;
  /** `GATEWAY_LIMITS_HEAD_BYTES`. */
  readonly env: string;
  /** `--limits-head-bytes`. */
  readonly flag: string;
  /** The flag as parsers of command lines key it: `limitsHeadBytes`. */
  readonly flagKey: string;
  readonly kind: OptionKind;
  /** Judges and normalises one value. */
  readonly schema: z.ZodType;
  readonly meaning: string;
  /** `restart`: a running gateway keeps the value that it was started with. */
  readonly reload: 'live' | 'restart';
}

/** Names that are shorter than the rule would make them, or that other programs use as well. */
const shortNames: Readonly<Record<string, readonly [env: string, flag: string]>> = {
  'listen.host': ['GATEWAY_HOST', 'host'],
  'listen.port': ['GATEWAY_PORT', 'port'],
  'log.level': ['LOG_LEVEL', 'log-level'],
  'log.access': ['ACCESS_LOG', 'access-log'],
};

function kindOf(schema: z.ZodDefault): OptionKind {
  const inner = schema.unwrap();
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodArray) return inner.element instanceof z.ZodNumber ? 'numbers' : 'list';
  return inner instanceof z.ZodEnum ? 'choice' : 'text';
}

const marker = 'GATEWAY_';

function kebabOf(path: string): string {
  return path.replaceAll('.', '-').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** The variable's name by the rule. */
function variableOf(path: string): string {
  return marker + kebabOf(path).replaceAll('-', '_').toUpperCase();
}

function bareName(variable: string): string {
  return variable.startsWith(marker) ? variable.slice(marker.length) : variable;
}

function option(path: string, schema: z.ZodDefault): ConfigOption {
  const kebab = kebabOf(path);
  const [env, flag] = shortNames[path] ?? [variableOf(path), kebab];
  return {
    path,
    env,
    flag: `--${flag}`,
    flagKey: flag.replace(/-([a-z])/g, (_, c: string) => c.toUpperCase()),
    kind: kindOf(schema),
    schema,
    meaning: schema.description ?? '',
    reload: isStartField(schema) ? 'restart' : 'live',
  };
}

function walk(shape: z.core.$ZodShape, parent: string): ConfigOption[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const path = parent + key;
    if (schema instanceof z.ZodDefault) return [option(path, schema)];
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : undefined;
    return inner instanceof z.ZodObject ? walk(inner.shape, `${path}.`) : [];
  });
}

/** Every setting but `routes` and `services`, which only the file can give; in the order of the schema. */
export const configOptions: readonly ConfigOption[] = walk(configSchema.shape, '');

/** Where the file is; itself not in the file. */
export const fileOption = { env: 'GATEWAY_CONFIG', flag: '--config', flagKey: 'config' } as const;

const readNumber = (text: string): number | string =>
  /^-?(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) : text;

const items = (text: string): readonly string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Text from the environment or a flag as the value that its schema judges; what is no number stays text and is refused there. */
export function readOptionText(kind: OptionKind, text: string): unknown {
  const trimmed = text.trim();
  switch (kind) {
    case 'number':
      return readNumber(trimmed);
    case 'list':
      return items(trimmed);
    case 'numbers':
      return items(trimmed).map(readNumber);
    case 'choice':
      return trimmed.toLowerCase();
    case 'text':
      return trimmed;
  }
}

/** The environment as a plain record; `process.env` has this shape. */
export type Environment = Readonly<Record<string, string | undefined>>;

const knownVariables = [...configOptions.map((option) => option.env), fileOption.env];

/**
 * Variables that Kubernetes (service links) and Docker (links) put into every container for a service that is itself called
 * `gateway` or `gateway-…`; no operator wrote them. `GATEWAY_PORT=tcp://10.0.0.1:80` is the best known.
 */
const linkName = /_SERVICE_(HOST|PORT(_.*)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const linkValue = /^(tcp|udp|sctp):\/\//;

/** Whether a variable was injected by a service link. */
export function isServiceLink(name: string, value: string): boolean {
  return linkName.test(name) || linkValue.test(value);
}

/** A variable that nothing reads may be a misspelt secret: its value is not shown. */
const soundsSecret = /SEC|TOKEN|PASS|KEY|CRED/i;

/** Names without `GATEWAY_`, those that the rule for names would make included, and the variable that is meant. */
const meantBy: ReadonlyMap<string, string> = new Map(
  [
    ...configOptions.map(({ path, env }) => [variableOf(path), env] as const),
    ...knownVariables.map((env) => [env, env] as const),
  ].map(([name, env]) => [bareName(name), env]),
);

/**
 * `GATEWAY_*` variables that nothing reads. One whose name is near to a known one is a problem, because a setting may be misspelt; any other
 * belongs to another program. Empty ones count as not set.
 */
export function unknownVariables(env: Environment): {
  readonly misspelt: readonly ConfigProblem[];
  readonly foreign: readonly string[];
} {
  const misspelt: ConfigProblem[] = [];
  const foreign: string[] = [];
  for (const [name, value = ''] of Object.entries(env)) {
    if (!name.startsWith(marker) || knownVariables.includes(name)) continue;
    if (value.trim() === '' || isServiceLink(name, value)) continue;
    // The part that all names have in common says nothing.
    const near = suggest(bareName(name), [...meantBy.keys()]);
    const meant = near === undefined ? undefined : meantBy.get(near);
    const shown = soundsSecret.test(name) ? 'a value that is not shown' : `value ${showValue(value)}`;
    if (meant !== undefined) {
      misspelt.push({
        place: name,
        message: `unknown variable (with ${shown}); did you mean ${meant}?`,
      });
    } else {
      foreign.push(`${name} is not read: no setting has this name (docs/configuration.md lists them).`);
    }
  }
  return { misspelt, foreign };
}
