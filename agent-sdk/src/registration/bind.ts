import portfinder from 'portfinder';

import { describeError, ServiceError, systemCode } from './service-error.ts';

/** Which port to bind: this one, 0 for one that the kernel picks, or a random one of a range (both ends included). */
export type PortChoice =
  | { readonly kind: 'fixed'; readonly port: number }
  | { readonly kind: 'range'; readonly from: number; readonly to: number };

/** Binds a port on a host; rejects with the system error when that fails, and can be called again then. */
export type Listen = (where: BindPlace) => Promise<void>;

/** What to bind. `exclusive`: workers of `node:cluster` do not share the port. */
export interface BindPlace {
  readonly port: number;
  readonly host: string;
  readonly exclusive: boolean;
}

/** Whether every process that binds gets a port of its own. */
export function isOwnPort(choice: PortChoice): boolean {
  return choice.kind === 'range' || choice.port === 0;
}

/** How {@link bind} works. */
export interface BindParts {
  readonly listen: Listen;
  readonly choice: PortChoice;
  /** The host to bind; undefined: every address of the machine, over IPv6 with IPv4 where that exists, else IPv4 alone. */
  readonly host: string | undefined;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Where the choice came from, for messages: `option port`. */
  readonly origin: string;
  /** Proposes a free port at or above `from`; replaced in tests. */
  readonly findPort?: FindPort;
}

/** Proposes a port that was free a moment ago; rejects when it knows none. */
export type FindPort = (from: number, to: number, host: string) => Promise<number>;

/** Tries in a range before giving up. Each starts at a new random base, so that processes started together spread out. */
const rangeTries = 20;
const noSuchFamily = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/**
 * Binds. A free port that portfinder has found may be taken by another process before it is bound here; then another one is
 * tried. Rejects with ServiceError `port_unavailable`.
 */
export async function bind(parts: BindParts): Promise<void> {
  const { host } = parts;
  try {
    await bindOn(parts, host ?? '::');
  } catch (error) {
    const code = error instanceof ServiceError ? systemCode(error.cause) : undefined;
    if (host !== undefined || code === undefined || !noSuchFamily.has(code)) throw error;
    await bindOn(parts, '0.0.0.0');
  }
}

async function bindOn(parts: BindParts, host: string): Promise<void> {
  const { listen, choice, origin } = parts;
  for (let tries = 1; ; tries += 1) {
    const port = choice.kind === 'fixed' ? choice.port : await freePort(parts, choice, host);
    try {
      await listen({ port, host, exclusive: isOwnPort(choice) });
      return;
    } catch (cause) {
      const code = systemCode(cause);
      if (choice.kind === 'fixed' || (code !== 'EADDRINUSE' && code !== 'EACCES'))
        throw unavailable(`Cannot bind port ${port} on ${host} (${origin}): ${reasonFor(cause)}.`, cause);
      const range = `${choice.from}–${choice.to}`;
      if (tries === rangeTries) {
        throw unavailable(
          `No free port in ${range} after ${tries} tries (${origin}). Choose another range.`,
          cause,
        );
      }
    }
  }
}

/** A port above a random base, else one below it, else the base itself, so that binding it tells what is wrong. */
function freePort(
  { random, findPort = portfinderPort }: BindParts,
  { from, to }: { readonly from: number; readonly to: number },
  host: string,
): Promise<number> {
  const base = from + Math.floor(random() * (to - from + 1));
  return findPort(base, to, host)
    .catch(() => findPort(from, to, host))
    .catch(() => base);
}

const portfinderPort: FindPort = (from, to, host) =>
  portfinder.getPortPromise({ port: from, stopPort: to, host });

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use; choose another one, or set none',
  EACCES: 'this process may not bind it; ports below 1024 need privileges',
  EADDRNOTAVAIL: 'this machine has no such address; check HOST or the option host',
  ENOTFOUND: 'the host name does not resolve; check HOST or the option host',
};

function reasonFor(error: unknown): string {
  const code = systemCode(error);
  return code === undefined ? describeError(error) : `${code}: ${advice[code] ?? describeError(error)}`;
}

function unavailable(problem: string, cause: unknown): ServiceError {
  return new ServiceError('port_unavailable', [problem], { cause });
}
