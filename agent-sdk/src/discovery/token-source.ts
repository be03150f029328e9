import { readFile, stat } from 'node:fs/promises';

import type { Setting } from './environment.ts';

/** Which token the next call sends, or why there is none to send. */
export type TokenReading =
  | { readonly kind: 'token'; readonly token: string | undefined }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Where tokens come from. Owns no timer: the file is looked at when a call asks. */
export interface TokenSource {
  current(): Promise<TokenReading>;
  /** How often the file has held another token than before. */
  readonly changes: number;
}

/** How often, at most, the file's times are looked at. */
const lookEveryMs = 1000;

/**
 * A token that follows its file, so that rotation needs no restart. The file wins over the plain token while it holds one
 * (as in HashiCorp's client); surrounding whitespace is not part of it. A file that can't be read any more keeps the last
 * token; one that never could be read is `unreadable`. `now` is monotonic, in ms.
 */
export function createTokenSource(
  settings: { readonly token: Setting<string> | undefined; readonly tokenFile: Setting<string> | undefined },
  now: () => number,
): TokenSource {
  const plain: TokenReading = { kind: 'token', token: settings.token?.value };
  const file = settings.tokenFile;
  if (file === undefined) return { current: () => Promise.resolve(plain), changes: 0 };

  let reading: TokenReading | undefined;
  let changes = 0;
  let fingerprint = '';
  let lookedAtMs = -Infinity;
  let looking: Promise<TokenReading> | undefined;

  async function look(path: string, origin: string): Promise<TokenReading> {
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const seen = `${mtimeMs}/${size}/${ino}`;
      if (reading?.kind === 'token' && seen === fingerprint) return reading;
      const token = (await readFile(path, 'utf8')).trim();
      if (!/^[\x21-\x7e]*$/u.test(token)) {
        return reading?.kind === 'token'
          ? reading
          : unreadable(path, origin, 'not a single line of plain text');
      }
      if (fingerprint !== '') changes += 1;
      fingerprint = seen;
      return token === '' ? plain : { kind: 'token', token };
    } catch (error) {
      return reading?.kind === 'token' ? reading : unreadable(path, origin, codeOf(error));
    }
  }

  return {
    get changes() {
      return changes;
    },
    async current() {
      if (looking !== undefined) return looking;
      if (reading !== undefined && now() - lookedAtMs < lookEveryMs) return reading;
      lookedAtMs = now();
      looking = look(file.value, file.origin);
      try {
        reading = await looking;
        return reading;
      } finally {
        looking = undefined;
      }
    },
  };
}

function unreadable(path: string, origin: string, why: string): TokenReading {
  return { kind: 'unreadable', reason: `Cannot read the Consul token in ${path} (${why}, from ${origin})` };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown error';
}
