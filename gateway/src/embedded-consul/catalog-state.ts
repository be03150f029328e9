import {
  expiredOutput,
  maintenanceCheck,
  maintenanceCheckId,
  serfHealth,
  serfHealthId,
  serverService,
  type UnindexedCheck,
} from './built-in-records.ts';
import { type CatalogChange, createCatalogChange } from './catalog-change.ts';
import { createCheckTable } from './check-table.ts';
import type { CheckRegistration } from './decode-check.ts';
import type { Registration } from './decode-registration.ts';
import type {
  CheckRecord,
  CheckSpec,
  CheckStatus,
  NodeFacts,
  ServiceRecord,
  ServiceSpec,
} from './records.ts';
import { Refusal } from './refusal.ts';
import { createServiceTable } from './service-table.ts';
import type { ChangeListener, IndexBook } from './table-index.ts';

/** Whether there was something to do it to. */
export type Found = 'found' | 'unknown';

/** Maintenance turned on, with a reason (empty for Consul's default sentence), or off. */
export type MaintenanceMode = { readonly on: true; readonly reason: string } | { readonly on: false };

/** How much an agent holds before it refuses more. */
export interface CatalogLimits {
  readonly services: number;
  readonly checks: number;
}

/**
 * The services and checks of one agent, which is also its own catalog. Pure: the time comes in as the caller's monotonic ms.
 * Records are replaced whole; whoever holds one keeps a consistent value. Lists are sorted by id, as Consul sorts them.
 */
export interface CatalogState {
  /** `keep`: checks that the registration doesn't name stay. `replace`: they go. Either way a known check id keeps its status. */
  registerService(registration: Registration, others: 'keep' | 'replace', nowMs: number): void;
  deregisterService(id: string): Found;
  /** Throws a 500 {@link Refusal} when it names a service that isn't there, as Consul does. */
  registerCheck(registration: CheckRegistration, nowMs: number): void;
  deregisterCheck(id: string): Found;
  /** A result of a check. For a TTL check it also starts its time again. An output that changes alone stays out of the catalog. */
  updateCheck(id: string, status: CheckStatus, output: string, nowMs: number): void;
  /** An empty service id means the node. On while on changes nothing, not even the reason. */
  setMaintenance(serviceId: string, mode: MaintenanceMode, nowMs: number): Found;
  /** Turns every TTL check critical whose time is up. */
  expireTtls(nowMs: number): void;
  /** Deregisters every service with a check that has been critical for its `DeregisterCriticalServiceAfter`; says which. */
  reapCritical(nowMs: number): readonly string[];
  /** A service of the agent; Consul's own is not one. */
  service(id: string): ServiceRecord | undefined;
  check(id: string): CheckRecord | undefined;
  /** Every service, Consul's own too, in no order. */
  services(): Iterable<ServiceRecord>;
  servicesNamed(name: string): readonly ServiceRecord[];
  checks(): readonly CheckRecord[];
  /** Checks that are run over HTTP, in no order. */
  probedChecks(): Iterable<CheckRecord>;
  /** Checks of one service; an empty id means those of the node. */
  checksOf(serviceId: string): readonly CheckRecord[];
}

const byId = (
  a: { readonly spec: { readonly id: string } },
  b: { readonly spec: { readonly id: string } },
): number => (a.spec.id < b.spec.id ? -1 : 1);

const sameSpec = (a: ServiceSpec | CheckSpec, b: ServiceSpec | CheckSpec): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);

const sameInCatalog = (a: UnindexedCheck, b: UnindexedCheck): boolean =>
  a.status === b.status &&
  a.catalogOutput === b.catalogOutput &&
  a.serviceId === b.serviceId &&
  sameSpec(a.spec, b.spec);

/** A catalog with nothing but the node, its `serfHealth` and Consul's own service. `onChange` hears of complete changes. */
export function createCatalogState(
  node: NodeFacts,
  indexes: IndexBook,
  limits: CatalogLimits,
  onChange: ChangeListener,
): CatalogState {
  const services = createServiceTable();
  const checks = createCheckTable();

  function change(apply: (change: CatalogChange) => void): void {
    const draft = createCatalogChange(indexes);
    apply(draft);
    draft.commit(services.has, onChange);
  }

  /** Before anything is changed: a change that fails half-way would be one that nobody hears of. */
  function makeRoom(serviceId: string, newChecks: number): void {
    const fits = services.get(serviceId) !== undefined || services.size() < limits.services;
    if (!fits) throw new Refusal(500, `The embedded agent holds at most ${limits.services} services`);
    if (newChecks > 0 && checks.size() + newChecks > limits.checks)
      throw new Refusal(500, `The embedded agent holds at most ${limits.checks} checks`);
  }

  const unknownChecks = (specs: readonly CheckSpec[]): number =>
    specs.filter((spec) => checks.get(spec.id) === undefined).length;

  function putService(spec: ServiceSpec, origin: ServiceRecord['origin'], draft: CatalogChange): void {
    const known = services.get(spec.id);
    if (known !== undefined && known.origin === origin && sameSpec(known.spec, spec)) return;
    if (known !== undefined) draft.touchService(known.spec.name);
    const modifyIndex = draft.index();
    services.put({ spec, origin, createIndex: known?.createIndex ?? modifyIndex, modifyIndex });
    draft.touchService(spec.name);
  }

  function touchCheck(serviceId: string, draft: CatalogChange): void {
    // A check of the node is part of the health of every service on it.
    if (serviceId === '') draft.touchNodeCheck(services.names());
    else draft.touchCheck(services.get(serviceId)?.spec.name);
  }

  function putCheck(next: UnindexedCheck, nowMs: number, draft: CatalogChange): void {
    const known = checks.get(next.spec.id);
    if (known !== undefined && sameInCatalog(known, next)) {
      checks.put({ ...known, output: next.output }, nowMs);
      return;
    }
    const modifyIndex = draft.index();
    checks.put({ ...next, createIndex: known?.createIndex ?? modifyIndex, modifyIndex }, nowMs);
    if (known !== undefined && known.serviceId !== next.serviceId) touchCheck(known.serviceId, draft);
    touchCheck(next.serviceId, draft);
  }

  function addCheck(spec: CheckSpec, serviceId: string, nowMs: number, draft: CatalogChange): void {
    const known = checks.get(spec.id);
    const type = spec.source.kind === 'none' ? '' : spec.source.kind;
    putCheck(
      {
        spec,
        serviceId,
        type,
        status: known?.status ?? spec.status,
        output: known?.output ?? '',
        catalogOutput: known?.catalogOutput ?? '',
      },
      nowMs,
      draft,
    );
    checks.restartTtl(spec.id, nowMs);
  }

  function setStatus(record: CheckRecord, status: CheckStatus, output: string, nowMs: number): void {
    const catalogOutput = status === record.status ? record.catalogOutput : output;
    change((draft) => {
      putCheck({ ...record, status, output, catalogOutput }, nowMs, draft);
    });
  }

  function dropCheck(record: CheckRecord, draft: CatalogChange): void {
    checks.remove(record.spec.id);
    touchCheck(record.serviceId, draft);
  }

  function dropService(record: ServiceRecord): void {
    change((draft) => {
      for (const check of checks.of(record.spec.id)) dropCheck(check, draft);
      services.remove(record.spec.id);
      draft.touchService(record.spec.name);
    });
  }

  function agentService(id: string): ServiceRecord | undefined {
    const record = services.get(id);
    return record?.origin === 'agent' ? record : undefined;
  }

  change((draft) => {
    putService(serverService(node), 'server', draft);
    putCheck(serfHealth(), 0, draft);
    indexes.touchTable('nodes', draft.index());
  });

  return {
    registerService({ service, checks: specs }, others, nowMs) {
      makeRoom(service.id, unknownChecks(specs));
      change((draft) => {
        const before = checks.of(service.id);
        putService(service, 'agent', draft);
        for (const spec of specs) addCheck(spec, service.id, nowMs, draft);
        if (others === 'keep') return;
        const named = new Set(specs.map((spec) => spec.id));
        for (const check of before) if (!named.has(check.spec.id)) dropCheck(check, draft);
      });
    },
    deregisterService(id) {
      const record = agentService(id);
      if (record === undefined) return 'unknown';
      dropService(record);
      return 'found';
    },
    registerCheck({ check, serviceId }, nowMs) {
      if (serviceId !== '' && agentService(serviceId) === undefined)
        throw new Refusal(500, `ServiceID ${JSON.stringify(serviceId)} does not exist`);
      makeRoom('consul', unknownChecks([check]));
      change((draft) => {
        addCheck(check, serviceId, nowMs, draft);
      });
    },
    deregisterCheck(id) {
      const record = checks.get(id);
      if (record === undefined || id === serfHealthId) return 'unknown';
      change((draft) => {
        dropCheck(record, draft);
      });
      return 'found';
    },
    updateCheck(id, status, output, nowMs) {
      const record = checks.get(id);
      if (record === undefined) return;
      setStatus(record, status, output, nowMs);
      checks.restartTtl(id, nowMs);
    },
    setMaintenance(serviceId, mode, nowMs) {
      if (serviceId !== '' && agentService(serviceId) === undefined) return 'unknown';
      const known = checks.get(maintenanceCheckId(serviceId));
      change((draft) => {
        if (!mode.on && known !== undefined) dropCheck(known, draft);
        if (mode.on && known === undefined) putCheck(maintenanceCheck(serviceId, mode.reason), nowMs, draft);
      });
      return 'found';
    },
    expireTtls(nowMs) {
      for (const record of checks.expired(nowMs))
        setStatus(record, 'critical', expiredOutput(record.output), nowMs);
    },
    reapCritical(nowMs) {
      const overdue = [...checks.overdue(nowMs)].flatMap((id) => agentService(id) ?? []);
      for (const record of overdue) dropService(record);
      return overdue.map((record) => record.spec.id);
    },
    service: agentService,
    check: checks.get,
    services: () => services.all(),
    servicesNamed: (name) => services.named(name).toSorted(byId),
    checks: () => [...checks.all()].sort(byId),
    probedChecks: () => checks.probed(),
    checksOf: (serviceId) => checks.of(serviceId).toSorted(byId),
  };
}
