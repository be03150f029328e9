import { z } from 'zod';

import { showValue, type ConfigProblem } from './problems.ts';
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

function option(path: string, schema: z.ZodDefault): ConfigOption {
  const kebab = path.replaceAll('.', '-').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  const [env, flag] = shortNames[path] ?? [`GATEWAY_${kebab.replaceAll('-', '_').toUpperCase()}`, kebab];
  return {
    path,
    env,
    flag: `--${flag}`,
    flagKey: flag.replace(/-([a-z])/g, (_, c: string) => c.toUpperCase()),
    kind: kindOf(schema),
    schema,
    meaning: schema.description ?? '',
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

/** `GATEWAY_*` variables that nothing reads: a misspelt setting is a problem, never silence. Empty ones count as not set. */
export function unknownVariables(env: Environment): readonly ConfigProblem[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith('GATEWAY_') || knownVariables.includes(name)) return [];
    if (value === undefined || value.trim() === '' || isServiceLink(name, value)) return [];
    const meant = suggest(name, knownVariables);
    const hint =
      meant === undefined ? 'docs/configuration.md lists the known ones' : `did you mean ${meant}?`;
    const shown = soundsSecret.test(name) ? 'a value that is not shown' : `value ${showValue(value)}`;
    return [{ place: name, message: `unknown variable (with ${shown}); ${hint}` }];
  });
}
