import type { Topic } from './blocked-queries.ts';
import type { Registration } from './decode-registration.ts';
import { HttpError } from './http-error.ts';
import type { CheckRecord, CheckSpec, ConsulStatus, ServiceRecord, ServiceSpec } from './records.ts';

/** How much an agent holds before it refuses more. */
export interface CatalogLimits {
  readonly services: number;
  readonly checks: number;
}

/** What a catalog needs from its agent. */
export interface CatalogParts {
  readonly limits: CatalogLimits;
  /** The number of the next change of the agent; one counter for everything, as in Consul. */
  readonly nextIndex: () => number;
  /** Called once a change is complete. */
  readonly onChange: (topic: Topic) => void;
}

/** The part of a check's record that a result changes. */
type Result = Pick<CheckRecord, 'status' | 'output'>;

/** `registration`: the service itself; `health`: only its checks; `times`: nothing that a query shows. */
type Change = 'registration' | 'health' | 'times';

const byId = <T extends { readonly spec: { readonly id: string } }>(a: T, b: T): number =>
  a.spec.id < b.spec.id ? -1 : 1;
const isSame = (a: ServiceSpec | CheckSpec, b: ServiceSpec | CheckSpec): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
const expiryOf = (spec: CheckSpec, nowMs: number): number =>
  spec.source.kind === 'ttl' ? nowMs + spec.source.ttlMs : Number.POSITIVE_INFINITY;

/**
 * The services and checks of one agent, which is its own catalog too. Pure: times come in as the caller's monotonic ms.
 * Records are replaced whole.
 */
export class AgentCatalog {
  readonly #parts: CatalogParts;
  readonly #services = new Map<string, ServiceRecord>();
  readonly #idsByName = new Map<string, Set<string>>();
  readonly #serviceOfCheck = new Map<string, string>();
  readonly #indexOfName = new Map<string, number>();
  #servicesIndex: number;
  #lastExtinction: number;

  constructor(parts: CatalogParts) {
    this.#parts = parts;
    this.#servicesIndex = parts.nextIndex();
    this.#lastExtinction = this.#servicesIndex;
  }

  /** Adds or replaces a service. A check that is already known keeps its status; checks that are not named stay. */
  register({ service, checks }: Registration, nowMs: number): void {
    this.#makeRoom(service.id, checks);
    for (const { id } of checks) if (this.#serviceOfCheck.get(id) !== service.id) this.#dropCheck(id);
    const known = this.#services.get(service.id);
    const merged = new Map(known?.checks.map((check) => [check.spec.id, check]));
    for (const spec of checks) merged.set(spec.id, registered(spec, merged.get(spec.id), nowMs));
    const list = [...merged.values()];
    const sameHealth =
      list.length === known?.checks.length &&
      known.checks.every(({ spec }) => isSame(spec, merged.get(spec.id)?.spec ?? spec));
    const sameService = known !== undefined && isSame(known.spec, service);
    this.#put(service, list, !sameService ? 'registration' : sameHealth ? 'times' : 'health');
  }

  /** Removes a service and its checks; false when there is none. */
  deregister(id: string): boolean {
    const record = this.#services.get(id);
    if (record === undefined) return false;
    this.#services.delete(id);
    for (const { spec } of record.checks) this.#serviceOfCheck.delete(spec.id);
    this.#unlist(record.spec);
    this.#announce([record.spec.name], 'registration', this.#parts.nextIndex());
    return true;
  }

  /** The record of a check; undefined when there is none. */
  check(id: string): CheckRecord | undefined {
    const record = this.#services.get(this.#serviceOfCheck.get(id) ?? '');
    return record?.checks.find(({ spec }) => spec.id === id);
  }

  /**
   * Sets the result of a check and gives a TTL check its full time again. An output that changes alone is dropped, so that
   * heartbeats with notes wake no query (Consul's `check_update_interval`).
   */
  update(id: string, { status, output }: Result, nowMs: number): void {
    this.#setResult(id, (check) => ({
      ...check,
      status,
      output: status === check.status ? check.output : output,
      expiresMs: expiryOf(check.spec, nowMs),
      criticalSinceMs: criticalSince(status, check, nowMs),
    }));
  }

  /** Turns maintenance of a service on (with a reason) or off (undefined); false for an unknown service. On while on changes nothing. */
  setMaintenance(serviceId: string, reason: string | undefined): boolean {
    const record = this.#services.get(serviceId);
    if (record === undefined) return false;
    const id = `_service_maintenance:${serviceId}`;
    const others = record.checks.filter(({ spec }) => spec.id !== id);
    const isOn = others.length < record.checks.length;
    if (isOn === (reason !== undefined)) return true;
    if (reason === undefined) this.#serviceOfCheck.delete(id);
    this.#put(record.spec, reason === undefined ? others : [...others, maintenance(id, reason)], 'health');
    return true;
  }

  /** Turns every TTL check critical whose time is up. */
  expireTtls(nowMs: number): void {
    for (const check of [...this.checks()].filter(({ expiresMs }) => expiresMs <= nowMs)) {
      this.#setResult(check.spec.id, (known) => ({
        ...known,
        status: 'critical',
        output: known.status === 'critical' ? known.output : 'TTL expired',
        expiresMs: Number.POSITIVE_INFINITY,
        criticalSinceMs: criticalSince('critical', known, nowMs),
      }));
    }
  }

  /** Removes every service with a check that has been critical for longer than it may; returns their ids. */
  removeCritical(nowMs: number): readonly string[] {
    const overdue = [...this.#services.values()].filter(({ checks }) =>
      checks.some(
        ({ spec, criticalSinceMs }) => nowMs - criticalSinceMs > (spec.deregisterAfterMs ?? Infinity),
      ),
    );
    for (const { spec } of overdue) this.deregister(spec.id);
    return overdue.map(({ spec }) => spec.id);
  }

  /** All services, sorted by id. */
  services(): readonly ServiceRecord[] {
    return [...this.#services.values()].sort(byId);
  }

  /** The instances of one service, sorted by id. */
  instances(name: string): readonly ServiceRecord[] {
    return [...(this.#idsByName.get(name) ?? [])].flatMap((id) => this.#services.get(id) ?? []).sort(byId);
  }

  /** All checks, in no order. */
  *checks(): Iterable<CheckRecord> {
    for (const { checks } of this.#services.values()) yield* checks;
  }

  /** The index of the list of services: changes with registrations, not with health. */
  servicesIndex(): number {
    return this.#servicesIndex;
  }

  /**
   * The index of one service. Without instances it is the index at which some service last lost its last one
   * (`service_last_extinction` in Consul's state store), so that it never goes back.
   */
  indexOf(name: string): number {
    return this.#indexOfName.get(name) ?? this.#lastExtinction;
  }

  /** Refuses before anything is changed. */
  #makeRoom(serviceId: string, checks: readonly CheckSpec[]): void {
    const { limits } = this.#parts;
    if (!this.#services.has(serviceId) && this.#services.size >= limits.services)
      throw new HttpError(500, `The embedded agent holds at most ${limits.services} services`);
    const added = checks.filter(({ id }) => !this.#serviceOfCheck.has(id)).length;
    if (added > 0 && this.#serviceOfCheck.size + added > limits.checks)
      throw new HttpError(500, `The embedded agent holds at most ${limits.checks} checks`);
  }

  #setResult(checkId: string, next: (check: CheckRecord) => CheckRecord): void {
    const record = this.#services.get(this.#serviceOfCheck.get(checkId) ?? '');
    const before = record?.checks.find(({ spec }) => spec.id === checkId);
    if (record === undefined || before === undefined) return;
    const after = next(before);
    const checks = record.checks.map((check) => (check === before ? after : check));
    this.#put(record.spec, checks, before.status === after.status ? 'times' : 'health');
  }

  /** Takes a check from the service that has it. */
  #dropCheck(id: string): void {
    const record = this.#services.get(this.#serviceOfCheck.get(id) ?? '');
    if (record === undefined) return;
    this.#serviceOfCheck.delete(id);
    const others = record.checks.filter(({ spec }) => spec.id !== id);
    this.#put(record.spec, others, 'health');
  }

  #put(spec: ServiceSpec, checks: readonly CheckRecord[], change: Change): void {
    const known = this.#services.get(spec.id);
    const index = change === 'times' ? 0 : this.#parts.nextIndex();
    const modifyIndex = change === 'registration' ? index : (known?.modifyIndex ?? index);
    this.#services.set(spec.id, {
      spec,
      checks: [...checks].sort(byId),
      createIndex: known?.createIndex ?? index,
      modifyIndex,
    });
    for (const check of checks) this.#serviceOfCheck.set(check.spec.id, spec.id);
    if (known !== undefined && known.spec.name !== spec.name) this.#unlist(known.spec);
    this.#idsByName.set(spec.name, (this.#idsByName.get(spec.name) ?? new Set()).add(spec.id));
    this.#announce(new Set([spec.name, known?.spec.name ?? spec.name]), change, index);
  }

  #unlist({ id, name }: ServiceSpec): void {
    const ids = this.#idsByName.get(name);
    ids?.delete(id);
    if (ids?.size === 0) this.#idsByName.delete(name);
  }

  #announce(names: Iterable<string>, change: Change, index: number): void {
    if (change === 'times') return;
    if (change === 'registration') this.#servicesIndex = index;
    for (const name of names) {
      if (this.#idsByName.has(name)) this.#indexOfName.set(name, index);
      else if (this.#indexOfName.delete(name)) this.#lastExtinction = index;
    }
    for (const name of names) this.#parts.onChange(`service:${name}`);
    if (change === 'registration') this.#parts.onChange('services');
  }
}

function registered(spec: CheckSpec, known: CheckRecord | undefined, nowMs: number): CheckRecord {
  const status = known?.status ?? spec.status;
  const criticalSinceMs = criticalSince(status, known, nowMs);
  return { spec, status, output: known?.output ?? '', expiresMs: expiryOf(spec, nowMs), criticalSinceMs };
}

function criticalSince(status: ConsulStatus, known: CheckRecord | undefined, nowMs: number): number {
  if (status !== 'critical') return Number.POSITIVE_INFINITY;
  return Math.min(known?.criticalSinceMs ?? nowMs, nowMs);
}

/** The critical check that stands for maintenance; its notes hold the reason, or Consul's default sentence. */
function maintenance(id: string, reason: string): CheckRecord {
  const notes =
    reason ||
    'Maintenance mode is enabled for this service, but no reason was provided. This is a default message.';
  const spec: CheckSpec = {
    id,
    name: 'Service Maintenance Mode',
    notes,
    status: 'critical',
    source: { kind: 'maintenance' },
    deregisterAfterMs: undefined,
  };
  return { spec, status: 'critical', output: '', expiresMs: Infinity, criticalSinceMs: Infinity };
}
