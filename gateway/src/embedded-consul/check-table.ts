import type { CheckRecord } from './records.ts';

/**
 * The checks of an agent with what time does to them: when a TTL runs out, and since when a check has been critical.
 * Pure; all times are the caller's monotonic ms. A check's entries go with the check.
 */
export interface CheckTable {
  size(): number;
  readonly get: (id: string) => CheckRecord | undefined;
  all(): Iterable<CheckRecord>;
  /** Checks of one service, in no order; an empty id means those of the node. */
  of(serviceId: string): readonly CheckRecord[];
  put(record: CheckRecord, nowMs: number): void;
  remove(id: string): void;
  /** Checks that are run over HTTP, in no order. */
  probed(): Iterable<CheckRecord>;
  /** Gives a TTL check its whole time again; other checks have none. */
  restartTtl(id: string, nowMs: number): void;
  /** TTL checks whose time is up; each is named once, until it is restarted. */
  expired(nowMs: number): readonly CheckRecord[];
  /** Ids of services with a check that has been critical longer than it may. */
  overdue(nowMs: number): ReadonlySet<string>;
}

/** An empty table. */
export function createCheckTable(): CheckTable {
  const records = new Map<string, CheckRecord>();
  const idsByService = new Map<string, Set<string>>();
  const probed = new Map<string, CheckRecord>();
  const ttlDeadlines = new Map<string, number>();
  const criticalSince = new Map<string, number>();

  function unlist(record: CheckRecord): void {
    const ids = idsByService.get(record.serviceId);
    ids?.delete(record.spec.id);
    if (ids?.size === 0) idsByService.delete(record.serviceId);
  }

  return {
    size: () => records.size,
    get: (id) => records.get(id),
    all: () => records.values(),
    of: (serviceId) => [...(idsByService.get(serviceId) ?? [])].flatMap((id) => records.get(id) ?? []),
    put(record, nowMs) {
      const { id } = record.spec;
      const known = records.get(id);
      if (known !== undefined && known.serviceId !== record.serviceId) unlist(known);
      records.set(id, record);
      idsByService.set(record.serviceId, (idsByService.get(record.serviceId) ?? new Set()).add(id));
      if (record.spec.source.kind !== 'ttl') ttlDeadlines.delete(id);
      if (record.spec.source.kind === 'http') probed.set(id, record);
      else probed.delete(id);
      if (record.status !== 'critical') criticalSince.delete(id);
      else if (!criticalSince.has(id)) criticalSince.set(id, nowMs);
    },
    remove(id) {
      const record = records.get(id);
      if (record !== undefined) unlist(record);
      records.delete(id);
      probed.delete(id);
      ttlDeadlines.delete(id);
      criticalSince.delete(id);
    },
    probed: () => probed.values(),
    restartTtl(id, nowMs) {
      const source = records.get(id)?.spec.source;
      if (source?.kind === 'ttl') ttlDeadlines.set(id, nowMs + source.ttlMs);
    },
    expired(nowMs) {
      const due: string[] = [];
      for (const [id, deadlineMs] of ttlDeadlines) if (deadlineMs <= nowMs) due.push(id);
      for (const id of due) ttlDeadlines.delete(id);
      return due.flatMap((id) => records.get(id) ?? []);
    },
    overdue(nowMs) {
      const services = new Set<string>();
      for (const [id, sinceMs] of criticalSince) {
        const record = records.get(id);
        const afterMs = record?.spec.deregisterAfterMs;
        if (record === undefined || afterMs === undefined || record.serviceId === '') continue;
        if (nowMs - sinceMs > afterMs) services.add(record.serviceId);
      }
      return services;
    },
  };
}
