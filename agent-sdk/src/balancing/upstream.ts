import type { Snapshot } from '../discovery/instance.ts';
import { createStrategy } from './create-strategy.ts';
import { endpointKey, type EndpointState } from './endpoint-state.ts';
import type {
  Endpoint,
  EndpointReport,
  HealthNews,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
} from './endpoint.ts';
import type { Chooser } from './group.ts';
import { Groups } from './groups.ts';
import { Judgement } from './judgement.ts';
import { LeaseState, type LeaseOwner } from './lease.ts';
import { Roster, type RosterChange } from './roster.ts';
import { SlowStart, takesTurn } from './slow-start.ts';
import type { BalanceStrategy, UpstreamPolicy } from './upstream-policy.ts';
import { WaitingLine } from './waiting.ts';

/** What an upstream needs from outside: policy, a monotonic clock in milliseconds, randomness in [0, 1). */
export interface UpstreamOptions {
  readonly policy: UpstreamPolicy;
  readonly now: () => number;
  readonly random: () => number;
  /** Hears of ejections and of recoveries from them, while they happen: it may not call the upstream. Must not throw. */
  readonly onHealth?: (news: HealthNews) => void;
}

/** The runtime group of one service inside a process: its endpoints and whose turn it is. Owned by one thread; ends with it. */
export interface Upstream {
  readonly service: string;
  /** Every endpoint, those that drain included, in the order of their keys. */
  readonly endpoints: readonly Endpoint[];
  /**
   * Takes the place of everything known before. An endpoint is kept, with its state, as long as key, address and port stay the
   * same; one that is gone drains: no new leases, forgotten when nothing is in flight.
   */
  update(snapshot: Snapshot): void;
  readonly policy: UpstreamPolicy;
  /** From now on; leases held and places in the queue stay. */
  setPolicy(policy: UpstreamPolicy): void;
  /** A lease on the endpoint that the strategy picks, or why there is none. */
  acquire(request: LeaseRequest): Lease | LeaseRefusal;
  /**
   * After `busy`: waits for a lease. `granted` is called once, with the lease, unless the ticket is cancelled before; first come,
   * first served. Undefined when the queue is full. The caller keeps the time.
   */
  enqueue(request: LeaseRequest, granted: (lease: Lease) => void): QueueTicket | undefined;
  /** Requests in the queue. */
  readonly queued: number;
  /** What the gateway's own checks say of an endpoint (`endpointKey`): `down` takes it out, `up` also ends an ejection. */
  checked(key: string, verdict: 'up' | 'down' | 'unchecked'): void;
  /** Whether the panic rule is in force: Consul's judgement is in doubt, and critical instances are used again. */
  readonly panic: 'calm' | 'panic';
}

/** An upstream without endpoints; `update` fills it. */
export function createUpstream(service: string, options: UpstreamOptions): Upstream {
  return new UpstreamState(service, options);
}

class UpstreamState implements Upstream, LeaseOwner, Chooser {
  readonly service: string;
  policy: UpstreamPolicy;
  readonly #options: UpstreamOptions;
  readonly #roster = new Roster();
  readonly #groups: Groups;
  readonly #judgement: Judgement;
  readonly #slowStart = new SlowStart();
  readonly #line = new WaitingLine();
  /** `again`: something has become free while the line was served. */
  #serving: 'no' | 'yes' | 'again' = 'no';
  #inFlight = 0;
  /** The usual latency of all, while the strategy goes by it. */
  #typicalMs = 1;
  #view: readonly Endpoint[] | undefined;

  constructor(service: string, options: UpstreamOptions) {
    const { now, random, policy } = options;
    this.service = service;
    this.policy = policy;
    this.#options = options;
    const typicalMs = (): number => this.#typicalMs;
    this.#groups = new Groups({
      roster: this.#roster,
      chooser: this,
      createStrategy: () => createStrategy(this.policy.balance, { now, random, typicalMs }),
    });
    this.#judgement = new Judgement({
      roster: this.#roster,
      now,
      standby: () => (this.#groups.everybody.backups.trusted > 0 ? 'some' : 'none'),
      changed: (endpoint) => {
        this.#place(endpoint);
      },
      tell: (news) => options.onHealth?.(news),
    });
  }

  get endpoints(): readonly Endpoint[] {
    this.#view ??= this.#roster.all();
    return this.#view;
  }

  get queued(): number {
    return this.#line.size;
  }

  get panic(): 'calm' | 'panic' {
    return this.#roster.panic;
  }

  update(snapshot: Snapshot): void {
    // Who comes first, or into an empty list, has nobody beside it to take the other share.
    const joining = this.#groups.everybody.size > 0 ? 'slowly' : 'at once';
    this.#adopt(this.#roster.replace(snapshot.instances, this.policy, this.#options.now()), joining);
  }

  setPolicy(policy: UpstreamPolicy): void {
    const before = this.policy;
    if (policy === before) return;
    this.policy = policy;
    if (policy.balance !== before.balance) this.#groups.renew();
    this.#adopt(this.#roster.reconsider(policy), 'at once');
  }

  acquire(request: LeaseRequest): Lease | LeaseRefusal {
    if (this.#judgement.pending === 'some') {
      this.#judgement.pass();
      this.#serveLine();
    }
    if (this.#slowStart.size > 0) this.#slowStart.pass(this.policy.slowStartMs, this.#options.now());
    if (this.#serving !== 'no' && this.#line.size > 0) {
      // Called from within a grant: those in the line come first.
      this.#serving = 'again';
      return 'busy';
    }
    const endpoint = this.#select(request);
    return typeof endpoint === 'string' ? endpoint : this.#lease(endpoint);
  }

  enqueue(request: LeaseRequest, granted: (lease: Lease) => void): QueueTicket | undefined {
    return this.#line.size < this.policy.queue.limit ? this.#line.join(request, granted) : undefined;
  }

  checked(key: string, verdict: 'up' | 'down' | 'unchecked'): void {
    const endpoint = this.#roster.find(key.slice(0, Math.max(0, key.lastIndexOf('@'))));
    if (endpoint === undefined || endpointKey(endpoint.instance) !== key) return;
    this.#judgement.checked(endpoint, verdict);
    this.#serveLine();
  }

  /** Called by groups only. */
  find(key: string): EndpointState | undefined {
    return this.#roster.find(key);
  }

  /** Called by groups only. */
  takesTurn(endpoint: EndpointState): boolean {
    const { now, random } = this.#options;
    return takesTurn(endpoint, { lengthMs: this.policy.slowStartMs, nowMs: now(), draw: random() });
  }

  /** Called by leases only. */
  reported(lease: LeaseState, report: EndpointReport, latencyMs: number | undefined): void {
    if (this.policy.balance === 'power-of-two') this.#feedLatency(lease.endpoint, report, latencyMs);
    if (lease.probe === 'held') endProbe(lease);
    this.#judgement.reported(this.policy, lease, report);
    this.#serveLine();
  }

  /** Called by leases only. */
  released(lease: LeaseState): void {
    const { endpoint } = lease;
    const wasProbe = lease.probe === 'held';
    endpoint.inFlight -= 1;
    this.#inFlight -= 1;
    if (wasProbe) endProbe(lease);
    if (endpoint.record === 'gone') this.#forget(endpoint);
    else if (wasProbe || endpoint.limit > 0 || followsLoad[this.policy.balance]) this.#loaded(endpoint);
    this.#serveLine();
  }

  #adopt(change: RosterChange, joining: 'slowly' | 'at once'): void {
    this.#view = undefined;
    for (const endpoint of change.moved) {
      if (endpoint.record === 'gone') this.#judgement.forget(endpoint);
      if (endpoint.membership === 'none') this.#slowStart.end(endpoint);
      // Its seats are given anew.
      endpoint.standing = endpoint.judge();
    }
    this.#groups.regroup(change.moved);
    for (const endpoint of change.renewed) this.#judgement.forgive(endpoint);
    for (const endpoint of change.touched) {
      this.#judgement.count(endpoint);
      this.#place(endpoint);
    }
    if (joining === 'slowly' && this.policy.slowStartMs > 0)
    // Who is critical serves only because the registry's judgement is in doubt: there is no time to lose.
    {
      for (const endpoint of change.joined)
        if (endpoint.instance.status !== 'critical') this.#slowStart.begin(endpoint, this.#options.now());
    }
    this.#serveLine();
  }

  #forget(endpoint: EndpointState): void {
    if (endpoint.inFlight > 0) return;
    this.#roster.forget(endpoint);
    this.#view = undefined;
  }

  #select(request: LeaseRequest): EndpointState | LeaseRefusal {
    const { maxRequests } = this.policy;
    if (maxRequests > 0 && this.#inFlight >= maxRequests) return 'shed';
    const group = request.tag === undefined ? this.#groups.everybody : this.#groups.of(request.tag);
    return group.select(request);
  }

  #lease(endpoint: EndpointState): Lease {
    const lease = new LeaseState(this, endpoint);
    endpoint.inFlight += 1;
    endpoint.total += 1;
    this.#inFlight += 1;
    if (lease.probe === 'held') {
      endpoint.probes += 1;
      this.#loaded(endpoint);
    } else if (endpoint.limit > 0 || followsLoad[this.policy.balance]) {
      this.#loaded(endpoint);
    }
    return lease;
  }

  /** Gives what is free to those that wait, in their order. What grants set free in turn is given from here, not from within them. */
  #serveLine(): void {
    if (this.#line.size === 0) return;
    if (this.#serving !== 'no') {
      this.#serving = 'again';
      return;
    }
    try {
      do this.#serving = 'yes';
      while (this.#grantAll() === 'again');
    } finally {
      this.#serving = 'no';
    }
  }

  #grantAll(): 'no' | 'yes' | 'again' {
    const line = this.#line;
    let waiter = line.first;
    while (waiter !== undefined) {
      const endpoint = this.#select(waiter.request);
      if (typeof endpoint === 'string') {
        // The same holds for all behind it, unless some want or avoid certain endpoints.
        if (line.particular === 0) break;
        waiter = waiter.next;
        continue;
      }
      line.leave(waiter);
      waiter.granted(this.#lease(endpoint));
      // The call may have changed the line anywhere.
      waiter = line.first;
    }
    return this.#serving;
  }

  /** Puts an endpoint where its state says. */
  #place(endpoint: EndpointState): void {
    const { standing: from, seats } = endpoint;
    const to = endpoint.judge();
    if (to === from) return;
    endpoint.standing = to;
    for (const seat of seats) seat.tier.restand(seat.place, from, to);
  }

  #loaded(endpoint: EndpointState): void {
    this.#place(endpoint);
    if (endpoint.standing === 'open') for (const { tier, place } of endpoint.seats) tier.loaded(place);
  }

  #feedLatency(endpoint: EndpointState, report: EndpointReport, latencyMs: number | undefined): void {
    const nowMs = this.#options.now();
    if (report !== 'success') {
      endpoint.latency.erred(latencyMs, nowMs);
    } else if (latencyMs !== undefined) {
      endpoint.latency.answered(latencyMs, nowMs);
      this.#typicalMs += (latencyMs - this.#typicalMs) / 16;
    }
  }
}

/** The strategies that have to be told when an endpoint has more or fewer requests in flight. */
const followsLoad: Readonly<Record<BalanceStrategy, boolean>> = {
  'round-robin': false,
  'least-requests': true,
  'power-of-two': false,
  random: false,
  'consistent-hash': true,
};

/** The trial has said something, or is over. */
function endProbe(lease: LeaseState): void {
  lease.probe = 'none';
  lease.endpoint.probes -= 1;
}
