import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { yieldTurn } from '@roundhouse/agent-sdk/internal';

import {
  formatSavedTable,
  readSavedTable,
  type SavedTable,
  type SavedTableReading,
} from './saved-table-format.ts';

/** Larger files are not read: the largest registry that is supported fits in many times over. */
const maxFileBytes = 256 * 1024 * 1024;

/** Reads a saved table. `absent` when there is no file, as at the very first start. Never rejects. */
export async function loadSavedTable(path: string): Promise<SavedTableReading | { readonly kind: 'absent' }> {
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) return { kind: 'invalid', problem: `it is larger than ${maxFileBytes} bytes` };
    return readSavedTable(await readFile(path, 'utf8'));
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? { kind: 'absent' }
      : { kind: 'invalid', problem: `it can't be read (${codeOf(error)})` };
  }
}

/** Writes a table so that whoever reads the file finds the old or the new one, whole, also after a crash. Rejects with the system error. */
export async function writeSavedTable(path: string, table: SavedTable, savedAtMs: number): Promise<void> {
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

/** So that the new name survives a crash too; some file systems can't, and the file is whole all the same. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Not every system can open a folder.
  }
}

export interface TableKeeperOptions {
  readonly path: string;
  /** What is worth saving now, or undefined. */
  readonly savable: () => SavedTable | undefined;
  /** Hears of the first failure after a success (a message for a person), and of the first success after that. Must not throw. */
  readonly onTrouble: (message: string | undefined) => void;
  /** Wall clock, in ms since 1970. */
  readonly wallClock: () => number;
  /** Between two writes at least. Default 5 s. */
  readonly intervalMs?: number;
}

/** Before the first write: soon, so that a Consul that dies right after a start is no reason to have nothing. */
const firstWriteMs = 250;

/** Keeps the file up to date. */
export interface TableKeeper {
  /** Something has changed: the table is written soon. */
  changed(): void;
  /** Writes what is worth it now, and no more after that. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Saves the table at most every few seconds, and only when it is good: live as a whole. A table that is stale or partly held never
 * replaces a good one.
 */
export function createTableKeeper(options: TableKeeperOptions): TableKeeper {
  const intervalMs = options.intervalMs ?? 5_000;
  let timer: NodeJS.Timeout | undefined;
  let state: 'clean' | 'dirty' | 'stopped' = 'clean';
  let trouble: 'none' | 'reported' = 'none';
  let writing = Promise.resolve();
  let pauseMs = Math.min(firstWriteMs, intervalMs);

  async function save(): Promise<void> {
    const table = options.savable();
    // What is not good now may be at the next change, which calls again.
    if (table === undefined || state !== 'dirty') return;
    state = 'clean';
    try {
      await writeSavedTable(options.path, table, options.wallClock());
      pauseMs = intervalMs;
      if (trouble === 'reported') options.onTrouble(undefined);
      trouble = 'none';
    } catch (error) {
      if (trouble === 'none') options.onTrouble(`${options.path} can't be written (${codeOf(error)})`);
      trouble = 'reported';
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      writing = save().finally(() => {
        timer = undefined;
        if (state === 'dirty' && options.savable() !== undefined) schedule();
      });
    }, pauseMs).unref();
  }

  return {
    changed() {
      if (state === 'stopped') return;
      state = 'dirty';
      schedule();
    },
    async stop() {
      clearTimeout(timer);
      await writing;
      if (state === 'dirty') await save();
      state = 'stopped';
      clearTimeout(timer);
    },
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
