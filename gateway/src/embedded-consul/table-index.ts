/** The tables of Consul's state store whose indexes show in `X-Consul-Index`. */
export type Table = 'nodes' | 'services' | 'checks' | 'kv';

/** What a blocked query can be woken by: a whole table, one service, the checks of one service, or a key. */
export type Topic = Table | `service:${string}` | `service-checks:${string}`;

/** Hears of a change once it is complete. `key` is set for `kv`; a change of a whole tree names its prefix. */
export type ChangeListener = (topic: Topic, key?: string) => void;

/** Consul's one counter of changes, and the value that it had when each table and each service last changed. */
export interface IndexBook {
  /** The number of the next change; every record that it touches carries it. */
  next(): number;
  table(table: Table): number;
  touchTable(table: Table, index: number): void;
  /**
   * Index of a service's result. For a service without instances the index at which some service last lost its last one
   * (`service_last_extinction` in Consul's state store), so that it grows although nothing is left to carry it.
   */
  service(name: string): number;
  touchService(name: string, index: number): void;
  /** The last instance of a service has gone: its own index is forgotten, which keeps the book as small as the catalog. */
  extinguish(name: string, index: number): void;
}

/** Makes a book whose first change gets `firstIndex` (a positive integer; Consul's own begin at about 10). */
export function createIndexBook(firstIndex: number): IndexBook {
  let last = firstIndex - 1;
  let lastExtinction: number | undefined;
  const tables: Record<Table, number> = { nodes: 1, services: 1, checks: 1, kv: 1 };
  const services = new Map<string, number>();
  return {
    next: () => ++last,
    table: (table) => tables[table],
    touchTable(table, index) {
      tables[table] = index;
    },
    service: (name) =>
      services.get(name) ?? lastExtinction ?? Math.max(tables.nodes, tables.services, tables.checks),
    touchService(name, index) {
      services.set(name, index);
    },
    extinguish(name, index) {
      services.delete(name);
      lastExtinction = index;
    },
  };
}
