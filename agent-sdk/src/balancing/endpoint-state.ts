import type { Instance } from '../discovery/instance.ts';
import { freshHealth } from './ejection.ts';
import { EndpointSilence, type Silence } from './endpoint-silence.ts';
import type { Availability, CheckVerdict, Endpoint, EndpointHealth } from './endpoint.ts';
import type { HeapItem } from './heap.ts';
import { Latency } from './latency.ts';
import { AnswerCounts } from './outliers.ts';
import type { Member } from './strategy.ts';

/** Identity of an endpoint: the same record at another address or port is another endpoint (its connections must not be reused). */
export function endpointKey(instance: Instance): string {
  return `${instance.key}@${instance.address}:${String(instance.port)}`;
}

/** The index of an endpoint in one priority level that it belongs to. */
export interface Slot {
  readonly level: SlotLevel;
  index: number;
}

/** What an endpoint tells a priority level, and what other parts read of the level by way of the endpoint. */
export interface SlotLevel {
  /** The tag of the subset; undefined: all instances. */
  readonly tag: string | undefined;
  /** Members in their slow start. */
  warming: number;
  availabilityChanged(index: number, from: Availability, to: Availability): void;
  /** An available member has more or fewer requests in flight. */
  loadChanged(index: number): void;
}

const noSlots: readonly Slot[] = [];

/** The mutable record behind an {@link Endpoint}: four inputs and the availability that follows from them. Written inside its upstream only. */
export class EndpointState implements Endpoint, Member, HeapItem {
  /** Input, registry: the newest record. */
  instance: Instance;
  /** Input, registry: whether the newest snapshot has the endpoint. Otherwise it is forgotten with its last lease. */
  listed = true;
  /** Input, registry: whether requests may go to it; it depends on the whole set (panic), so {@link EndpointSet} writes it. */
  eligible = false;
  /** Input, checks. */
  check: CheckVerdict = 'unchecked';
  /** Input, ejection. */
  health: EndpointHealth;
  /** Input, ejection: requests in flight that are the trial of a probation. */
  trials = 0;
  /** Input, silence. */
  readonly quiet = new EndpointSilence();
  /** Derived from the inputs and the load by {@link refresh}. */
  availability: Availability = 'excluded';

  /** `Instance.key`. */
  readonly key: string;
  /** The tags under which it has answered a request, as its record had them. */
  answeredAs: readonly string[] | undefined;
  inFlight = 0;
  total = 0;
  isBackup = false;
  weight = 1;
  /** Leases at a time; 0: no limit. */
  limit = 0;
  slots: readonly Slot[] = noSlots;
  /** When it joined a running upstream, while its slow start lasts; undefined: full share. */
  warmingSinceMs: number | undefined;
  readonly latency = new Latency();
  readonly answers = new AnswerCounts();
  /** In the heap of ejections, by their ends. */
  heapIndex = -1;

  constructor(instance: Instance, nowMs: number) {
    this.instance = instance;
    this.key = instance.key;
    this.health = freshHealth(nowMs);
  }

  get phase(): 'serving' | 'draining' {
    return this.listed && this.instance.status !== 'draining' ? 'serving' : 'draining';
  }

  get silence(): Silence {
    return this.quiet.state;
  }

  hear(): void {
    this.quiet.heard = true;
  }

  /** Reads role, weight and limit from the record. True when role or weight changed. `maxConnections` is the policy's limit. */
  readRecord(maxConnections: number): boolean {
    const { tags, meta, weight: given } = this.instance;
    const isBackup = tags.includes('backup') || meta['backup'] === 'true';
    const weight = isPositiveInteger(given) ? given : 1;
    const changed = isBackup !== this.isBackup || weight !== this.weight;
    this.isBackup = isBackup;
    this.weight = weight;
    const own = Number(meta['max-connections'] ?? '');
    const limits = [maxConnections, isPositiveInteger(own) ? own : 0].filter((limit) => limit > 0);
    this.limit = limits.length === 0 ? 0 : Math.min(...limits);
    return changed;
  }

  /** The availability that follows from the inputs and the load. */
  derive(): Availability {
    if (!this.eligible) return 'excluded';
    const { health, limit } = this;
    const trusted =
      this.check !== 'down' &&
      this.quiet.state !== 'silent' &&
      (health.state === 'healthy' || (health.state === 'probation' && this.trials === 0));
    if (limit > 0 && this.inFlight >= limit) return trusted ? 'saturated' : 'ejected_saturated';
    return trusted ? 'available' : 'ejected';
  }

  /** Derives the availability anew after an input or the load has changed, and tells the priority levels. */
  refresh(): void {
    const from = this.availability;
    const to = this.derive();
    if (to === from) return;
    this.availability = to;
    for (const { level, index } of this.slots) level.availabilityChanged(index, from, to);
  }

  /** After a lease has begun or ended. */
  loadChanged(): void {
    this.refresh();
    if (this.availability !== 'available') return;
    for (const { level, index } of this.slots) level.loadChanged(index);
  }
}

function isPositiveInteger(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
