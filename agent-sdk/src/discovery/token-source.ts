import { readFile, stat } from 'node:fs/promises';

import type { ConsulSettings } from './environment.ts';
import { RegistryError } from './registry-client.ts';
import { codeOf } from './system-error.ts';

/** Where tokens come from. Owns no timer: the file is looked at when a call asks. */
export interface TokenSource {
  /** What the next call sends. Rejects with `RegistryError('forbidden')` when the file could never be read. */
  current(): Promise<string | undefined>;
  /** How often the file has held another token than before. */
  readonly changes: number;
}

/** How often, at most, the file's times are looked at. */
const lookEveryMs = 1000;

/**
 * A token that follows its file, so that rotation needs no restart. The file wins over the plain token while it holds one
 * (as in HashiCorp's client); surrounding whitespace is not part of it. A file that can't be read any more keeps the last
 * token. `now` is monotonic, in ms.
 */
export function createTokenSource(
  { token: plain, tokenFile: file }: Pick<ConsulSettings, 'token' | 'tokenFile'>,
  now: () => number,
): TokenSource {
  let known: { readonly token: string | undefined; readonly fingerprint: string } | undefined;
  let latest = Promise.resolve(plain?.value);
  let changes = 0;
  /** Infinity while the file is looked at. */
  let lookedAtMs = file === undefined ? Infinity : -Infinity;

  async function look(path: string, origin: string): Promise<string | undefined> {
    let problem = 'not a single line of plain text';
    try {
      const found = await stat(path);
      const fingerprint = `${found.mtimeMs}/${found.size}/${found.ino}`;
      // A pipe has its text once, and a second read would wait for ever.
      if (known !== undefined && (known.fingerprint === fingerprint || !found.isFile())) return known.token;
      const token = (await readFile(path, 'utf8')).trim();
      if (/^[\x21-\x7e]*$/u.test(token)) {
        if (known !== undefined) changes += 1;
        known = { token: token === '' ? plain?.value : token, fingerprint };
      }
    } catch (error) {
      problem = codeOf(error);
    }
    if (known !== undefined) return known.token;
    throw new RegistryError(
      'forbidden',
      `Cannot read the Consul token in ${path} (${problem}, from ${origin})`,
    );
  }

  return {
    get changes() {
      return changes;
    },
    current() {
      const startedMs = now();
      if (file !== undefined && startedMs - lookedAtMs >= lookEveryMs) {
        lookedAtMs = Infinity;
        latest = look(file.value, file.origin).finally(() => (lookedAtMs = startedMs));
      }
      return latest;
    },
  };
}
