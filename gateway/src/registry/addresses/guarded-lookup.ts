import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** What a lookup needs from outside. */
export interface GuardedLookupOptions {
  /** Why this address of a host name must not be connected to, or undefined. */
  readonly judge: (address: string, hostname: string) => string | undefined;
  /** Resolves to every address. Default: the system's resolver, `dns.lookup`. */
  readonly resolve?: (
    hostname: string,
    family: 0 | 4 | 6,
    done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
  ) => void;
}

/** The `code` of the error when every address of a name is refused. */
export const addressRefusedCode = 'ERR_ADDRESS_REFUSED';

/**
 * Resolves host names for `net.connect` and leaves out the addresses that are refused, so that the socket connects to exactly what was
 * judged: a name that resolves to something else a moment later (DNS rebinding) gains nothing.
 */
export function createGuardedLookup({
  judge,
  resolve = systemResolve,
}: GuardedLookupOptions): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, familyOf(options.family), (error, addresses) => {
      if (error !== null) {
        done(error, '');
        return;
      }
      const refusals = addresses.map(({ address }) => judge(address, hostname));
      const good = addresses.filter((_, index) => refusals[index] === undefined);
      const [first] = good;
      if (first === undefined) done(refused(hostname, refusals[0]), '');
      else if (options.all === true) done(null, good);
      else done(null, first.address, first.family);
    });
  };
}

const systemResolve: NonNullable<GuardedLookupOptions['resolve']> = (hostname, family, done) => {
  lookup(hostname, { family, all: true }, (error, addresses) => {
    // On failure Node leaves the list out.
    done(error, error === null ? addresses : []);
  });
};

function familyOf(family: number | 'IPv4' | 'IPv6' | undefined): 0 | 4 | 6 {
  if (family === 4 || family === 'IPv4') return 4;
  return family === 6 || family === 'IPv6' ? 6 : 0;
}

function refused(hostname: string, reason: string | undefined): NodeJS.ErrnoException {
  const message = `${hostname} is not connected to: ${reason ?? 'it has no address'}`;
  return Object.assign(new Error(message), { code: addressRefusedCode });
}
