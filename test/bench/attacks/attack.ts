import type { OriginKind } from '../backdrop.ts';

/** What somebody on the network does to a proxy while others go on asking it for `/small`. */
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
  /** Goes on until `signal` aborts, and leaves nothing open then. Resolves with what the proxy did about it, in a few words. */
  run(port: number, signal: AbortSignal): Promise<string>;
}
