import { spawnSync } from 'node:child_process';

/** Where a proxy is to listen and what is behind it; all ports on 127.0.0.1. */
export interface Site {
  readonly port: number;
  /** The instances, two of them. */
  readonly originPorts: readonly number[];
  /** The origin of `/small`, where it is one of its own. */
  readonly smallPort?: number | undefined;
  /** The registry, in which the origins are registered as instances of {@link benchService}. */
  readonly consulPort: number;
  /** A folder for configuration files, readable by all and removed at the end. */
  readonly folder: string;
  /** Client connections at most; undefined: what the proxy has by itself, and more than any bench opens. */
  readonly connections?: number | undefined;
  /** For the admin listener of a gateway. */
  readonly adminPort: number;
}

/** The service whose instances the origins are. The built-in route `/` leads to it. */
export const benchService = 'webapp-service';

/** How a proxy is started. It stays in the foreground and may have children. */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export type Found =
  | { readonly kind: 'found'; readonly version: string }
  /** `reason`: for a person, with what would change it. */
  | { readonly kind: 'missing'; readonly reason: string };

/** A row of the tables: a proxy that is compared. */
export interface Contender {
  /** For `--rows`. */
  readonly name: string;
  readonly title: string;
  find(): Found;
  /** Writes its configuration and says how to start it. */
  prepare(site: Site): Start;
}

/** Asks a program on the PATH for its version; `args` make it print one that `pattern` finds. */
export function findProgram(
  command: string,
  {
    args,
    pattern,
    hint,
  }: { readonly args: readonly string[]; readonly pattern: RegExp; readonly hint: string },
): Found {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  if (error !== undefined) return { kind: 'missing', reason: `${command} is not installed: ${hint}` };
  return { kind: 'found', version: pattern.exec(stdout + stderr)?.[1] ?? 'unknown' };
}
