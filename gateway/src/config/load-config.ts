import { configOf } from './check-config.ts';
import { parseConfigFile, type ConfigFile, type FileRead } from './config-file.ts';
import { showPath, valueAt, withValue, type ConfigPath } from './config-path.ts';
import { crossProblems, duplicateRoutes, warningsAbout, type Origins } from './cross-checks.ts';
import { deepFreeze } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import {
  configOptions,
  fileOption,
  isServiceLink,
  readOptionText,
  unknownVariables,
  type ConfigOption,
  type Environment,
} from './options.ts';
import { fileProblems, inFileOrder, refusal, showValue, type ConfigProblem } from './problems.ts';
import { configSchema } from './schema.ts';
import { soundPart } from './sound-part.ts';

/** Where configuration comes from. Nothing else is read. */
export interface ConfigSources {
  /** `process.env`. Empty variables count as not set. */
  readonly env: Environment;
  /** Values of flags by {@link ConfigOption.flagKey} (`adminPort`), as commander keys them. Keys that are no option are left alone. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  /** Usually `readConfigFile`. Called at most once. */
  readonly readFile: (path: string) => FileRead;
}

/** A configuration that holds, or everything that is wrong with it. */
export type LoadedConfig =
  | {
      readonly kind: 'config';
      /** Frozen all the way down. */
      readonly config: GatewayConfig;
      /** For the log at start: allowed, but worth knowing. */
      readonly warnings: readonly string[];
      readonly origins: Origins;
    }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

/** A value that the environment or a flag gives. */
interface Given {
  readonly option: ConfigOption;
  readonly place: string;
  readonly value: unknown;
}

/** Read without `--config` and `GATEWAY_CONFIG`, if it is there. */
const defaultFile = 'gateway.yaml';

/**
 * Flags over environment over file over defaults. Every value given is judged, also one that another overrides, and all
 * problems come back together. `routes` in the file replace the two built-in ones; without that key they hold.
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const { env, flags } = sources;
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];

  const opened = openFile(sources);
  problems.push(...opened.problems);
  const file = opened.file;
  const wrongOptions = new Set<string>();
  let sound = soundPart(file?.data ?? {}, []);
  if (file !== undefined) {
    const parsed = configSchema.safeParse(file.data);
    if (!parsed.success) {
      problems.push(...fileProblems(parsed.error.issues, file.data, file.place));
      sound = soundPart(file.data, parsed.error.issues);
    }
    problems.push(...duplicateRoutes(file.data, file.place, file.line));
  }

  const given: Given[] = [];
  const take = (option: ConfigOption, place: string, text: string): void => {
    const value = readOptionText(option.kind, text);
    const judged = option.schema.safeParse(value);
    if (judged.success) {
      given.push({ option, place, value });
    } else {
      wrongOptions.add(option.path);
      problems.push({
        place,
        message: refusal(option.path, value, judged.error.issues[0]?.message ?? 'another value'),
      });
    }
  };
  for (const option of configOptions) {
    const text = env[option.env];
    if (text === undefined || text.trim() === '') continue;
    if (isServiceLink(option.env, text)) {
      warnings.push(
        `${option.env}=${showValue(text)} looks like a container link to a service called "gateway" and is not read. ` +
          'In Kubernetes, enableServiceLinks: false keeps it away.',
      );
    } else {
      take(option, option.env, text);
    }
  }
  const unknown = unknownVariables(env);
  problems.push(...unknown.misspelt);
  warnings.push(...unknown.foreign);
  for (const option of configOptions) {
    const text = flags[option.flagKey];
    if (text !== undefined) take(option, option.flag, text);
  }

  const origins = originsOf(file, given);
  const merged = configSchema.safeParse(
    given.reduce<unknown>(
      (data, { option, value }) => withValue(data, option.path.split('.'), value),
      sound.data,
    ),
  );
  if (!merged.success) {
    const reasons = fileProblems(merged.error.issues, {}, (path) => path.join('.'));
    return { kind: 'invalid', problems: problems.length > 0 ? inFileOrder(problems) : reasons };
  }
  const config = configOf(merged.data);
  const placeOf = (path: ConfigPath): string => file?.place(sound.pathInFile(path)) ?? showPath(path);
  // Of a file that can't be parsed nothing is known.
  const isWrong = (path: string): boolean =>
    opened.problems.length > 0 || wrongOptions.has(path) || sound.isWrong(path);
  problems.push(...crossProblems(config, origins, placeOf, isWrong));
  if (problems.length > 0) return { kind: 'invalid', problems: inFileOrder(problems) };
  return {
    kind: 'config',
    config: deepFreeze(config),
    warnings: [...warnings, ...warningsAbout(config, origins)],
    origins,
  };
}

/** Where the file is, and what says so; no place for the default one, which may be absent. */
export function configFileOf({ env, flags }: Pick<ConfigSources, 'env' | 'flags'>): {
  readonly name: string;
  readonly place: string | undefined;
} {
  const byFlag = flags[fileOption.flagKey];
  if (byFlag !== undefined) return { name: byFlag, place: fileOption.flag };
  const byEnv = env[fileOption.env]?.trim() ?? '';
  return byEnv === '' ? { name: defaultFile, place: undefined } : { name: byEnv, place: fileOption.env };
}

function openFile(sources: ConfigSources): {
  readonly file: ConfigFile | undefined;
  readonly problems: readonly ConfigProblem[];
} {
  const { name, place } = configFileOf(sources);
  const read = sources.readFile(name);
  if (read.kind === 'text') {
    const parsed = parseConfigFile(name, read.text);
    return 'file' in parsed
      ? { file: parsed.file, problems: [] }
      : { file: undefined, problems: parsed.problems };
  }
  if (read.kind === 'absent' && place === undefined) return { file: undefined, problems: [] };
  const reason = read.kind === 'absent' ? 'there is no such file' : `it cannot be read (${read.reason})`;
  return {
    file: undefined,
    problems: [{ place: place ?? name, message: `got ${showValue(name)}; ${reason}` }],
  };
}

function originsOf(file: ConfigFile | undefined, given: readonly Given[]): Origins {
  const origins: Record<string, string> = {};
  for (const path of [...configOptions.map((option) => option.path), 'routes', 'services'])
    origins[path] = placeInFile(file, path.split('.')) ?? 'default';
  for (const { option, place } of given) origins[option.path] = place;
  return Object.freeze(origins);
}

function placeInFile(file: ConfigFile | undefined, path: readonly string[]): string | undefined {
  return file === undefined || valueAt(file.data, path) === undefined ? undefined : file.place(path);
}
