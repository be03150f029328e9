import type { Instance } from '../discovery/instance.ts';
import type { SnapshotChange } from '../discovery/snapshot-change.ts';
import { createStrategy } from './create-strategy.ts';
import { EjectionController } from './ejection-controller.ts';
import { EndpointSet, type EndpointSetChange } from './endpoint-set.ts';
import type { Silence } from './endpoint-silence.ts';
import { EndpointState, endpointKey } from './endpoint-state.ts';
import type {
  CheckVerdict,
  Endpoint,
  EndpointReport,
  HealthChange,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
  SilenceNews,
} from './endpoint.ts';
import { LeaseState, type LeaseOwner } from './lease.ts';
import { RequestQueue } from './request-queue.ts';
import { SilenceWatch } from './silence-watch.ts';
import { SlowStart, takesTurn } from './slow-start.ts';
import type { SubsetOwner } from './subset.ts';
import { Subsets } from './subsets.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** What an upstream needs from outside: policy, a monotonic clock in milliseconds, randomness in [0, 1). */
export interface UpstreamOptions {
  readonly policy: UpstreamPolicy;
  readonly now: () => number;
  readonly random: () => number;
  /** Hears of changes of endpoints' health while they happen; it may not call the upstream. Must not throw. */
  readonly onHealth?: (news: HealthChange) => void;
  /** An instance has answered a request for the first time since its record changed; it may not call the upstream. Must not throw. */
  readonly onAnswered?: (instance: Instance) => void;
  /** An endpoint may have come to life or failed; it may not call the upstream. Must not throw. */
  readonly onLiveness?: () => void;
}

/** The endpoints of one service inside a process, and the choice among them. Owned by one thread; it holds no timer or socket. */
export interface Upstream {
  readonly service: string;
  /** Every endpoint, draining ones included, in the order of their keys. */
  readonly endpoints: readonly Endpoint[];
  /**
   * Follows a change of the registry; each begins where the last one ended. An endpoint keeps its state as long as key, address and port
   * stay the same; one that is no longer listed drains: it gets no new leases and is forgotten with its last one.
   */
  update(change: SnapshotChange): void;
  readonly policy: UpstreamPolicy;
  /** Applies from now on; leases and queued requests stay. */
  setPolicy(policy: UpstreamPolicy): void;
  /** A lease on the endpoint that the strategy picks, or why there is none. */
  acquire(request: LeaseRequest): Lease | LeaseRefusal;
  /**
   * After `busy`: queues the request. `granted` is called once, with the lease, unless the ticket is cancelled before; first come, first
   * served. Undefined when the queue is full. The caller keeps the time limit.
   */
  enqueue(request: LeaseRequest, granted: (lease: Lease) => void): QueueTicket | undefined;
  /** Requests in the queue. */
  readonly queued: number;
  /** A verdict of the gateway's own checks about an endpoint (`endpointKey`): `down` takes it out, `up` also ends an ejection. */
  checked(key: string, verdict: CheckVerdict): void;
  /** Looks for endpoints that owe answers and say nothing; to be called every `lookMs`. Nothing under a policy without it. */
  look(): readonly SilenceNews[];
  /** What came of a question that a look has called for: `lives` when the endpoint has answered it in time. */
  answered(endpoint: Endpoint, lives: boolean): void;
  /** Whether the panic rule is in force: the registry's view is in doubt, and critical instances are used again. */
  readonly panic: boolean;
}

/** An upstream without endpoints; `update` fills it. */
export function createUpstream(service: string, options: UpstreamOptions): Upstream {
  return new UpstreamState(service, options);
}

class UpstreamState implements Upstream, LeaseOwner, SubsetOwner {
  readonly service: string;
  policy: UpstreamPolicy;
  readonly #options: UpstreamOptions;
  readonly #endpoints = new EndpointSet();
  readonly #subsets: Subsets;
  readonly #ejection: EjectionController;
  readonly #slowStart = new SlowStart();
  readonly #silence = new SilenceWatch((endpoint, before) => {
    this.#silenceChanged(endpoint, before);
  });
  readonly #queue = new RequestQueue();
  /** `again`: an endpoint has become free while the queue was served. */
  #serving: 'idle' | 'running' | 'again' = 'idle';
  #inFlight = 0;
  /** Whether the strategy goes by the requests in flight, so that it has to be told of each. */
  #followsLoad = false;
  /** A slow average of all latencies, for the strategy that goes by them. */
  #typicalMs = 1;
  #view: readonly Endpoint[] | undefined;

  constructor(service: string, options: UpstreamOptions) {
    const { now, random, policy } = options;
    this.service = service;
    this.policy = policy;
    this.#options = options;
    const typicalMs = (): number => this.#typicalMs;
    this.#subsets = new Subsets({
      endpoints: this.#endpoints,
      owner: this,
      createStrategy: () => {
        const strategy = createStrategy(this.policy.balance, { now, random, typicalMs });
        this.#followsLoad = strategy.loadChanged !== undefined;
        return strategy;
      },
    });
    this.#ejection = new EjectionController({
      endpoints: this.#endpoints,
      now,
      hasBackup: () => this.#subsets.all.backups.trusted > 0,
      tell: (news) => {
        options.onHealth?.(news);
        options.onLiveness?.();
      },
    });
  }

  get endpoints(): readonly Endpoint[] {
    this.#view ??= this.#endpoints.all();
    return this.#view;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get panic(): boolean {
    return this.#endpoints.panic;
  }

  update(change: SnapshotChange): void {
    // Endpoints that join an empty set have no others beside them to take the rest of their share.
    const startsSlowly = this.#subsets.all.size > 0;
    this.#adopt(this.#endpoints.apply(change, this.policy, this.#options.now()), startsSlowly);
  }

  setPolicy(policy: UpstreamPolicy): void {
    const before = this.policy;
    if (policy === before) return;
    this.policy = policy;
    if (policy.balance !== before.balance) this.#subsets.renewStrategies();
    if (policy.silence === 'off') this.#silence.forget();
    this.#adopt(this.#endpoints.applyPolicy(policy), false);
  }

  acquire(request: LeaseRequest): Lease | LeaseRefusal {
    if (this.#ejection.hasEjected) {
      this.#ejection.expire();
      this.#serveQueue();
    }
    if (this.#slowStart.size > 0) this.#slowStart.expire(this.policy.slowStartMs, this.#options.now());
    if (this.#serving !== 'idle' && this.#queue.size > 0) {
      // Called from within a grant: queued requests come first.
      this.#serving = 'again';
      return 'busy';
    }
    const endpoint = this.#select(request);
    return typeof endpoint === 'string' ? endpoint : this.#lease(endpoint);
  }

  enqueue(request: LeaseRequest, granted: (lease: Lease) => void): QueueTicket | undefined {
    return this.#queue.size < this.policy.queue.limit ? this.#queue.add(request, granted) : undefined;
  }

  checked(key: string, verdict: CheckVerdict): void {
    const endpoint = this.#endpoints.find(key.slice(0, Math.max(0, key.lastIndexOf('@'))));
    if (endpoint === undefined || endpointKey(endpoint.instance) !== key) return;
    const isNew = endpoint.check !== verdict;
    this.#ejection.checked(endpoint, verdict);
    if (isNew) this.#options.onLiveness?.();
    this.#serveQueue();
  }

  look(): readonly SilenceNews[] {
    return this.policy.silence === 'off' ? [] : this.#silence.look();
  }

  answered(endpoint: Endpoint, lives: boolean): void {
    if (endpoint instanceof EndpointState) this.#silence.answered(endpoint, lives);
  }

  /** Called by subsets only. */
  find(key: string): EndpointState | undefined {
    return this.#endpoints.find(key);
  }

  /** Called by subsets only. */
  takesTurn(endpoint: EndpointState): boolean {
    const { now, random } = this.#options;
    return takesTurn(endpoint, { lengthMs: this.policy.slowStartMs, nowMs: now(), draw: random() });
  }

  /** Called by leases only. */
  headCame({ endpoint }: LeaseState, latencyMs: number | undefined): void {
    this.#silence.headCame(endpoint, latencyMs);
  }

  /** Called by leases only. */
  reported(lease: LeaseState, report: EndpointReport, latencyMs: number | undefined): void {
    if (this.policy.balance === 'power-of-two') this.#noteLatency(lease.endpoint, report, latencyMs);
    if (lease.isTrial) endTrial(lease);
    const { endpoint } = lease;
    if (report === 'success' && endpoint.answeredAs !== endpoint.instance.tags) {
      endpoint.answeredAs = endpoint.instance.tags;
      this.#options.onAnswered?.(endpoint.instance);
    }
    this.#ejection.reported(this.policy, lease, report);
    this.#serveQueue();
  }

  /** Called by leases only. */
  released(lease: LeaseState): void {
    const { endpoint, isTrial } = lease;
    if (lease.isWaiting) endpoint.quiet.waiting -= 1;
    endpoint.inFlight -= 1;
    this.#inFlight -= 1;
    if (isTrial) endTrial(lease);
    if (!endpoint.listed) this.#forget(endpoint);
    else if (isTrial || endpoint.limit > 0 || this.#followsLoad) endpoint.loadChanged();
    this.#serveQueue();
  }

  #adopt({ touched, moved, joined, reset }: EndpointSetChange, startsSlowly: boolean): void {
    this.#view = undefined;
    for (const endpoint of moved) {
      if (!endpoint.listed) this.#ejection.remove(endpoint);
      if (!endpoint.eligible) this.#slowStart.end(endpoint);
      // Its priority levels are rebuilt from this.
      endpoint.availability = endpoint.derive();
    }
    this.#subsets.rebuild(moved);
    for (const endpoint of reset) {
      this.#ejection.reset(endpoint);
      this.#silence.answered(endpoint, true);
    }
    for (const endpoint of touched) {
      this.#ejection.recount(endpoint);
      endpoint.refresh();
    }
    if (startsSlowly && this.policy.slowStartMs > 0) {
      // Under the panic rule critical instances are needed at once.
      for (const endpoint of joined)
        if (endpoint.instance.status !== 'critical') this.#slowStart.begin(endpoint, this.#options.now());
    }
    this.#serveQueue();
  }

  #silenceChanged(endpoint: EndpointState, before: Silence): void {
    const { instance, quiet } = endpoint;
    if (quiet.state === 'silent') {
      this.#options.onHealth?.({ kind: 'silent', instance, waiting: quiet.waiting });
    } else if (before === 'silent') {
      this.#options.onHealth?.({ kind: 'speaks', instance });
      this.#ejection.readmit(endpoint);
    }
    endpoint.refresh();
    this.#serveQueue();
  }

  #forget(endpoint: EndpointState): void {
    if (endpoint.inFlight > 0) return;
    this.#endpoints.forget(endpoint);
    this.#view = undefined;
  }

  #select(request: LeaseRequest): EndpointState | LeaseRefusal {
    const { maxRequests } = this.policy;
    if (maxRequests > 0 && this.#inFlight >= maxRequests) return 'shed';
    const subset = request.tag === undefined ? this.#subsets.all : this.#subsets.of(request.tag);
    return subset.select(request);
  }

  #lease(endpoint: EndpointState): Lease {
    const lease = new LeaseState(this, endpoint);
    endpoint.inFlight += 1;
    endpoint.total += 1;
    this.#inFlight += 1;
    this.#silence.began(endpoint);
    if (lease.isTrial) endpoint.trials += 1;
    if (lease.isTrial || endpoint.limit > 0 || this.#followsLoad) endpoint.loadChanged();
    return lease;
  }

  /** Grants what is free to queued requests in their order. What a grant sets free in turn is granted here too, not from within it. */
  #serveQueue(): void {
    if (this.#queue.size === 0) return;
    if (this.#serving !== 'idle') {
      this.#serving = 'again';
      return;
    }
    try {
      do this.#serving = 'running';
      while (this.#grantAll() === 'again');
    } finally {
      this.#serving = 'idle';
    }
  }

  #grantAll(): 'idle' | 'running' | 'again' {
    const queue = this.#queue;
    let queued = queue.first;
    while (queued !== undefined) {
      const endpoint = this.#select(queued.request);
      if (typeof endpoint === 'string') {
        // The same holds for all requests behind it, unless some are restricted to certain endpoints.
        if (queue.restricted === 0) break;
        queued = queued.next;
        continue;
      }
      queue.remove(queued);
      queued.granted(this.#lease(endpoint));
      // The call may have changed the queue anywhere.
      queued = queue.first;
    }
    return this.#serving;
  }

  #noteLatency({ latency }: EndpointState, report: EndpointReport, latencyMs: number | undefined): void {
    const nowMs = this.#options.now();
    if (report !== 'success') {
      latency.erred(latencyMs, nowMs);
    } else if (latencyMs !== undefined) {
      latency.answered(latencyMs, nowMs);
      this.#typicalMs += (latencyMs - this.#typicalMs) / 16;
    }
  }
}

/** The trial has been reported, or its lease has ended. */
function endTrial(lease: LeaseState): void {
  lease.isTrial = false;
  lease.endpoint.trials -= 1;
}
