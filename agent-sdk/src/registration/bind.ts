import portfinder from 'portfinder';

import { ServiceError, describeError, systemCode } from './service-error.ts';

/** Which port to bind: this one, one that the kernel picks, or a random one of a range (both ends included). */
export type PortChoice =
  | { readonly kind: 'fixed'; readonly port: number }
  | { readonly kind: 'kernel' }
  | { readonly kind: 'range'; readonly from: number; readonly to: number };

/** Binds a port on a host; rejects with the system error when that fails, and can be called again then. */
export type Listen = (port: number, host: string) => Promise<void>;

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
 * Binds, whatever it takes: a found port can be lost again before it is bound (portfinder checks, then somebody else binds), so
 * only the bind itself counts, and a lost one starts over. Rejects with ServiceError `port_unavailable`.
 */
export async function bind(parts: BindParts): Promise<void> {
  if (parts.host !== undefined) {
    await bindOn(parts, parts.host);
    return;
  }
  try {
    await bindOn(parts, '::');
  } catch (error) {
    const code = error instanceof ServiceError ? systemCode(error.cause) : undefined;
    if (code === undefined || !noSuchFamily.has(code)) throw error;
    await bindOn(parts, '0.0.0.0');
  }
}

async function bindOn(parts: BindParts, host: string): Promise<void> {
  const { listen, choice } = parts;
  switch (choice.kind) {
    case 'fixed':
      await listen(choice.port, host).catch((error: unknown) => {
        throw unavailable(choice.port, host, parts.origin, error);
      });
      return;
    case 'kernel':
      await listen(0, host).catch((error: unknown) => {
        throw unavailable(0, host, parts.origin, error);
      });
      return;
    case 'range':
      await bindInRange(parts, choice, host);
  }
}

async function bindInRange(
  parts: BindParts,
  range: { readonly from: number; readonly to: number },
  host: string,
): Promise<void> {
  const { listen, random, findPort = portfinderPort } = parts;
  let last: unknown;
  for (let attempt = 0; attempt < rangeTries; attempt += 1) {
    const base = range.from + Math.floor(random() * (range.to - range.from + 1));
    // Nothing found above the base: perhaps below it. Nothing at all: the base itself, so that the bind says what is wrong.
    const port = await findPort(base, range.to, host)
      .catch(() => findPort(range.from, range.to, host))
      .catch(() => base);
    try {
      await listen(port, host);
      return;
    } catch (error) {
      last = error;
      const code = systemCode(error);
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw unavailable(port, host, parts.origin, error);
    }
  }
  throw new ServiceError(
    'port_unavailable',
    [
      `No free port in ${range.from}–${range.to} after ${rangeTries} tries (${parts.origin}). Choose another range.`,
    ],
    { cause: last },
  );
}

const portfinderPort: FindPort = (from, to, host) =>
  portfinder.getPortPromise({ port: from, stopPort: to, host });

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use; choose another one, or leave the choice to us',
  EACCES: 'this process may not bind it; ports below 1024 need privileges',
  EADDRNOTAVAIL: 'this machine has no such address; check HOST or the option host',
  ENOTFOUND: 'the host name does not resolve; check HOST or the option host',
};

function unavailable(port: number, host: string, origin: string, error: unknown): ServiceError {
  const code = systemCode(error);
  const why = code === undefined ? describeError(error) : `${code}: ${advice[code] ?? describeError(error)}`;
  return new ServiceError('port_unavailable', [`Cannot bind port ${port} on ${host} (${origin}): ${why}.`], {
    cause: error,
  });
}
