import { HttpError } from './http-error.ts';

/** Which keys a read asks for. */
export type KeyFilter = (key: string) => boolean;

const maxTotalBytes = 64 * 1024 * 1024;

/** Keys and values, without locks, flags and compare-and-set. At most 64 MiB. */
export class KeyValueStore {
  readonly #nextIndex: () => number;
  readonly #onChange: () => void;
  readonly #records = new Map<string, { value: Buffer; createIndex: number; modifyIndex: number }>();
  #lastChange = 1;
  #lastDeletion = 1;

  constructor(nextIndex: () => number, onChange: () => void) {
    this.#nextIndex = nextIndex;
    this.#onChange = onChange;
  }

  /** The asked keys, sorted, in the shape of Consul's JSON. */
  list(isAsked: KeyFilter): readonly { readonly ModifyIndex: number }[] {
    const found = [...this.#records].filter(([key]) => isAsked(key)).sort(([a], [b]) => (a < b ? -1 : 1));
    return found.map(([Key, { value, createIndex: CreateIndex, modifyIndex: ModifyIndex }]) => {
      const Value = value.length === 0 ? null : value.toString('base64');
      return { LockIndex: 0, Key, Flags: 0, Value, CreateIndex, ModifyIndex };
    });
  }

  /** The newest index of the asked keys or of any deletion, so that it never goes back. */
  indexOf(isAsked: KeyFilter): number {
    const newest = this.list(isAsked).map(({ ModifyIndex }) => ModifyIndex);
    return newest.length === 0 ? this.#lastChange : Math.max(...newest, this.#lastDeletion);
  }

  /** Sets a key. The same value again changes nothing. Throws 500 when the store is full. */
  put(key: string, value: Buffer): void {
    const known = this.#records.get(key);
    if (known?.value.equals(value) === true) return;
    let totalBytes = key.length + value.length;
    for (const [other, record] of this.#records) totalBytes += other.length + record.value.length;
    if (totalBytes > maxTotalBytes) throw new HttpError(500, `KV holds at most ${maxTotalBytes} bytes`);
    this.#lastChange = this.#nextIndex();
    const createIndex = known?.createIndex ?? this.#lastChange;
    this.#records.set(key, { value, createIndex, modifyIndex: this.#lastChange });
    this.#onChange();
  }

  /** Removes a key, if it is there. */
  delete(key: string): void {
    if (!this.#records.delete(key)) return;
    this.#lastDeletion = this.#lastChange = this.#nextIndex();
    this.#onChange();
  }
}
