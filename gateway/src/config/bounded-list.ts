/** The newest items, bounded in number and in bytes. */
export interface BoundedList<T> {
  /** Newest first. */
  readonly items: readonly T[];
  /** Adds an item; the oldest go, until both bounds are kept. The newest always stays. */
  add(item: T): void;
}

/** See {@link BoundedList}. `bytesOf` is asked once for each item. */
export function createBoundedList<T>(
  maxItems: number,
  maxBytes: number,
  bytesOf: (item: T) => number = (item) => JSON.stringify(item).length,
): BoundedList<T> {
  const rows: { readonly item: T; readonly bytes: number }[] = [];
  let total = 0;
  return {
    get items() {
      return rows.map(({ item }) => item);
    },
    add: (item) => {
      const bytes = bytesOf(item);
      rows.unshift({ item, bytes });
      total += bytes;
      while (rows.length > maxItems || (rows.length > 1 && total > maxBytes)) total -= rows.pop()?.bytes ?? 0;
    },
  };
}
