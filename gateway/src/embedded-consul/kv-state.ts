import { Refusal } from './refusal.ts';
import type { ChangeListener, IndexBook } from './table-index.ts';

/** One key and its value. Replaced whole. */
export interface KvRecord {
  readonly key: string;
  readonly value: Buffer;
  readonly flags: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Consul's key-value store, without sessions and locks. Keys are sorted; `cas` compares with `ModifyIndex`, 0 meaning "not there". */
export interface KvState {
  get(key: string): KvRecord | undefined;
  list(prefix: string): readonly KvRecord[];
  /** Of a key: its own, or the table's while it is not there. Never 0. */
  indexOf(key: string): number;
  /** Of a tree: the newest of its keys or of any deletion, so that it never goes back (Consul's lasts 15 minutes). */
  indexUnder(prefix: string): number;
  /** False when `cas` stands against it. The same value and flags again change nothing. */
  put(key: string, value: Buffer, flags: number, cas: number | undefined): boolean;
  /** False when `cas` stands against it; true also when nothing was there. */
  delete(key: string, cas: number | undefined): boolean;
  deleteTree(prefix: string): void;
}

const maxTotalBytes = 64 * 1024 * 1024;
/** What a key costs beside its name and value. */
const overheadBytes = 256;

/** An empty store of at most 64 MiB. `onChange` hears of complete changes, with their key. */
export function createKvState(indexes: IndexBook, onChange: ChangeListener): KvState {
  const records = new Map<string, KvRecord>();
  let totalBytes = 0;
  let lastDeletion = 1;

  const cost = (record: KvRecord | undefined): number =>
    record === undefined ? 0 : overheadBytes + Buffer.byteLength(record.key) + record.value.length;

  function list(prefix: string): readonly KvRecord[] {
    return [...records.values()]
      .filter((record) => record.key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  function remove(keys: readonly string[]): void {
    const index = indexes.next();
    for (const key of keys) {
      totalBytes -= cost(records.get(key));
      records.delete(key);
    }
    lastDeletion = index;
    indexes.touchTable('kv', index);
    for (const key of keys) onChange('kv', key);
  }

  return {
    get: (key) => records.get(key),
    list,
    indexOf: (key) => records.get(key)?.modifyIndex ?? indexes.table('kv'),
    indexUnder(prefix) {
      let newest = 0;
      for (const record of records.values())
        if (record.key.startsWith(prefix)) newest = Math.max(newest, record.modifyIndex);
      return newest === 0 ? indexes.table('kv') : Math.max(newest, lastDeletion);
    },
    put(key, value, flags, cas) {
      const known = records.get(key);
      if (cas !== undefined && cas !== (known?.modifyIndex ?? 0)) return false;
      if (known?.flags === flags && known.value.equals(value)) return true;
      const draft = { key, value, flags, createIndex: known?.createIndex ?? 0, modifyIndex: 0 };
      const nextBytes = totalBytes - cost(known) + cost(draft);
      if (nextBytes > maxTotalBytes)
        throw new Refusal(500, `The embedded agent holds at most ${maxTotalBytes} bytes of keys and values`);
      const index = indexes.next();
      totalBytes = nextBytes;
      records.set(key, { ...draft, createIndex: known?.createIndex ?? index, modifyIndex: index });
      indexes.touchTable('kv', index);
      onChange('kv', key);
      return true;
    },
    delete(key, cas) {
      const known = records.get(key);
      if (cas !== undefined && cas !== (known?.modifyIndex ?? 0)) return false;
      if (known !== undefined) remove([key]);
      return true;
    },
    deleteTree(prefix) {
      const keys = list(prefix).map((record) => record.key);
      if (keys.length > 0) remove(keys);
    },
  };
}
