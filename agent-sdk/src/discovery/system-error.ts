const shortages: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'no file descriptor left in this process'],
  ['ENFILE', 'no file descriptor left on this machine'],
  ['ENOBUFS', 'no buffer for a socket left'],
  ['ENOMEM', 'no memory for a socket left'],
  ['EADDRNOTAVAIL', 'no local port or address left'],
]);

/**
 * What this process or its machine has run out of, for a person, by the code of a system error; undefined for any other error. Such an
 * error says nothing about the peer that was to be reached.
 */
export function ownShortage(code: string): string | undefined {
  return shortages.get(code);
}

/** The code of a system error, or of its cause. */
export function codeOf(error: unknown): string {
  if (error instanceof Error) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    if (error.cause !== undefined) return codeOf(error.cause);
  }
  return 'unknown error';
}
