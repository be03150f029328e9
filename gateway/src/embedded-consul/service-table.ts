import type { ServiceRecord } from './records.ts';

/** The services of an agent, by id and by name. */
export interface ServiceTable {
  size(): number;
  get(id: string): ServiceRecord | undefined;
  all(): Iterable<ServiceRecord>;
  /** In no order. */
  named(name: string): readonly ServiceRecord[];
  /** Names with at least one instance. */
  names(): Iterable<string>;
  readonly has: (name: string) => boolean;
  put(record: ServiceRecord): void;
  remove(id: string): void;
}

/** An empty table. */
export function createServiceTable(): ServiceTable {
  const records = new Map<string, ServiceRecord>();
  const idsByName = new Map<string, Set<string>>();

  function unlist(record: ServiceRecord | undefined): void {
    if (record === undefined) return;
    const ids = idsByName.get(record.spec.name);
    ids?.delete(record.spec.id);
    if (ids?.size === 0) idsByName.delete(record.spec.name);
  }

  return {
    size: () => records.size,
    get: (id) => records.get(id),
    all: () => records.values(),
    named: (name) => [...(idsByName.get(name) ?? [])].flatMap((id) => records.get(id) ?? []),
    names: () => idsByName.keys(),
    has: (name) => idsByName.has(name),
    put(record) {
      const { id, name } = record.spec;
      unlist(records.get(id));
      records.set(id, record);
      idsByName.set(name, (idsByName.get(name) ?? new Set()).add(id));
    },
    remove(id) {
      unlist(records.get(id));
      records.delete(id);
    },
  };
}
