import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { yieldTurn } from '@roundhouse/agent-sdk/internal';

import {
  formatSavedTable,
  readSavedTable,
  type SavedTable,
  type SavedTableReading,
} from './saved-table-format.ts';

/** Larger files are not read. The largest supported registry needs a small part of this. */
const maxFileBytes = 256 * 1024 * 1024;

/** Reads a saved table. `absent` when there is no file, as at the very first start. Never rejects. */
export async function loadSavedTable(
  path: string,
  tagPrefix?: string,
): Promise<SavedTableReading | { readonly kind: 'absent' }> {
  try {
    // Opened without waiting: a FIFO may have no process at its other end.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile()) return { kind: 'invalid', problem: notAFile };
      if (found.size > maxFileBytes)
        return { kind: 'invalid', problem: `it is larger than ${maxFileBytes} bytes` };
      return readSavedTable(await file.readFile('utf8'), tagPrefix);
    } finally {
      await file.close();
    }
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? { kind: 'absent' }
      : { kind: 'invalid', problem: `it can't be read (${codeOf(error)})` };
  }
}

const notAFile = 'it is not a regular file';

/** Removes what writes that were killed have left beside the file. Never rejects. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const isLeftover = (name: string): boolean =>
    name.startsWith(`${basename(path)}.`) &&
    /^[\da-f-]{36}\.tmp$/.test(name.slice(basename(path).length + 1));
  try {
    const names = (await readdir(folder)).filter(isLeftover);
    await Promise.all(names.map((name) => rm(join(folder, name), { force: true })));
  } catch {
    // What is wrong with the folder shows when the table is written.
  }
}

/**
 * Writes a table atomically: a reader finds the whole old or the whole new one, also after a crash. Replaces nothing but a regular file.
 * Rejects with the system error.
 */
export async function writeSavedTable(path: string, table: SavedTable, savedAtMs: number): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isFile() === false) throw new Error(notAFile);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      for (const piece of formatSavedTable(table, savedAtMs)) {
        await file.write(piece);
        await yieldTurn();
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Flushes the folder, so that the new name survives a crash. Some file systems cannot; the file is still whole there. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Not every system can open a folder.
  }
}

/** What went wrong, in a word: the code of a system error. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
