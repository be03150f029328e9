import type { OriginKind } from '../backdrop.ts';

/** Where the proxy is. */
export interface Target {
  readonly port: number;
  readonly adminPort: number;
}

/** What one client does to a proxy while others go on asking it for `/small`. */
export interface Attack {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** For the report: how much of what. */
  readonly method: string;
  readonly origins: OriginKind;
  /** How long the others are watched. */
  readonly seconds: number;
  /** What the proxy may open, where the attack is about that. */
  readonly openFiles?: number;
  /** Client connections that the proxy is to take at most, where the attack is about that. */
  readonly connections?: number;
  /** Which proxies can be attacked like this; undefined: all. */
  readonly rows?: readonly string[];
  /** Runs before the proxies start, with the registry's port. */
  prepare?(consulPort: number): Promise<void>;
  /** Goes on until `signal` aborts, and leaves nothing open then. Resolves with what the proxy did about it, in a few words. */
  run(target: Target, signal: AbortSignal): Promise<string>;
}
