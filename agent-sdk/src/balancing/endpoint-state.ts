import type { Instance } from '../discovery/instance.ts';
import { freshHealth } from './ejection.ts';
import type { Endpoint, EndpointHealth } from './endpoint.ts';
import type { HeapItem } from './heap.ts';
import { Latency } from './latency.ts';
import { AnswerCounts } from './outliers.ts';
import type { Member } from './strategy.ts';
import type { Tier } from './tier.ts';

/** Identity of an endpoint: the same record at another address or port is another endpoint (its connections must not be reused). */
export function endpointKey(instance: Instance): string {
  return `${instance.key}@${instance.address}:${String(instance.port)}`;
}

/**
 * What an endpoint can take at this moment. `open`: its turn counts. `busy`: it would, but is at its limit. `shut` and `shut_busy`: our own
 * judgement is against it, so only the last resort looks at it. `out`: it gets nothing (draining, critical, gone).
 */
export type Standing = 'open' | 'busy' | 'shut' | 'shut_busy' | 'out';

/** Where an endpoint sits among the members of a tier. */
export interface Seat {
  readonly tier: Tier;
  place: number;
}

const noSeats: readonly Seat[] = [];

/** The mutable record behind an {@link Endpoint}. Written by its upstream and tiers only. */
export class EndpointState implements Endpoint, Member, HeapItem {
  instance: Instance;
  /** `Instance.key`. */
  readonly key: string;
  inFlight = 0;
  total = 0;
  health: EndpointHealth;
  phase: 'serving' | 'draining' = 'serving';
  /** Attempts under way as probes of an endpoint in probation. */
  probes = 0;
  /** `gone`: the snapshot no longer has it; forgotten with its last lease. */
  record: 'listed' | 'gone' = 'listed';
  role: 'primary' | 'backup' = 'primary';
  /** Whether it counts among those that may get requests; our own judgement of it apart. */
  membership: 'member' | 'none' = 'none';
  /** What the gateway's own checks say. */
  verdict: 'up' | 'down' | 'unchecked' = 'unchecked';
  weight = 1;
  /** Leases at a time; 0: no limit. */
  limit = 0;
  standing: Standing = 'out';
  seats: readonly Seat[] = noSeats;
  /** Whether it counts towards the most that may be ejected. */
  ejected: 'counted' | 'no' = 'no';
  /** When it joined a running upstream, while its slow start lasts; undefined: full share. */
  warmingSinceMs: number | undefined;
  /** The update that listed it last. */
  round = 0;
  readonly latency = new Latency();
  readonly answers = new AnswerCounts();
  /** In the heap of ejections, by the end of its own. */
  heapPlace = -1;

  constructor(instance: Instance, nowMs: number) {
    this.instance = instance;
    this.key = instance.key;
    this.health = freshHealth(nowMs);
    this.read(0);
  }

  /** Takes from the record what balancing needs; `limit` is the policy's. True when another place in the tiers follows from it. */
  read(limit: number): boolean {
    const { instance } = this;
    const role =
      instance.tags.includes('backup') || instance.meta['backup'] === 'true' ? 'backup' : 'primary';
    const weight = isPositiveInteger(instance.weight) ? instance.weight : 1;
    const moved = role !== this.role || weight !== this.weight;
    this.role = role;
    this.weight = weight;
    this.phase = instance.status === 'draining' ? 'draining' : 'serving';
    const own = Number(instance.meta['max-connections'] ?? '');
    const limits = [limit, isPositiveInteger(own) ? own : 0].filter((each) => each > 0);
    this.limit = limits.length === 0 ? 0 : Math.min(...limits);
    return moved;
  }

  /** What it can take by all that is known of it. */
  judge(): Standing {
    if (this.membership === 'none') return 'out';
    const busy = this.limit > 0 && this.inFlight >= this.limit;
    if (this.isTrusted()) return busy ? 'busy' : 'open';
    return busy ? 'shut_busy' : 'shut';
  }

  isTrusted(): boolean {
    if (this.verdict === 'down') return false;
    return this.health.state === 'healthy' || (this.health.state === 'probation' && this.probes === 0);
  }
}

function isPositiveInteger(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
