import type { Instance, Snapshot } from '../discovery/instance.ts';
import { admission, ejectionLimit, freshHealth, observe } from './ejection.ts';
import type {
  Endpoint,
  EndpointHealth,
  EndpointReport,
  Lease,
  LeaseRefusal,
  LeaseRequest,
  QueueTicket,
} from './endpoint.ts';
import { createRotation, type Rotation } from './rotation.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** What an upstream needs from outside: policy, a monotonic clock in milliseconds, randomness in [0, 1). */
export interface UpstreamOptions {
  readonly policy: UpstreamPolicy;
  readonly now: () => number;
  readonly random: () => number;
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

/** Identity of an endpoint: the same record at another address or port is another endpoint (its connections must not be reused). */
export function endpointKey(instance: Instance): string {
  return `${instance.key}@${instance.address}:${String(instance.port)}`;
}

class EndpointState implements Endpoint {
  instance: Instance;
  inFlight = 0;
  total = 0;
  health: EndpointHealth;
  phase: 'serving' | 'draining' = 'serving';
  /** Leases held as probes of an endpoint in probation. */
  probes = 0;
  /** `gone`: the snapshot no longer has it; forgotten with its last lease. */
  record: 'listed' | 'gone' = 'listed';

  constructor(instance: Instance, nowMs: number) {
    this.instance = instance;
    this.health = freshHealth(nowMs);
  }
}

const serves = (endpoint: EndpointState): boolean =>
  endpoint.phase === 'serving' && endpoint.instance.status !== 'critical';

/** An upstream without endpoints; `update` fills it. */
export function createUpstream(service: string, options: UpstreamOptions): Upstream {
  return new UpstreamState(service, options);
}

class UpstreamState implements Upstream {
  readonly service: string;
  readonly #options: UpstreamOptions;
  readonly queued = 0;
  readonly panic = 'calm';
  policy: UpstreamPolicy;
  #endpoints: readonly EndpointState[] = [];
  /** One rotation for all instances (undefined) and one for each tag by which routes came. */
  readonly #rotations = new Map<string | undefined, Rotation<EndpointState>>();
  #ejected = 0;

  constructor(service: string, options: UpstreamOptions) {
    this.service = service;
    this.#options = options;
    this.policy = options.policy;
  }

  setPolicy(policy: UpstreamPolicy): void {
    this.policy = policy;
  }

  enqueue(): QueueTicket | undefined {
    return undefined;
  }

  checked(): void {
    // Comes with the health checks.
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  update(snapshot: Snapshot): void {
    const before = new Map(this.#endpoints.map((endpoint) => [endpointKey(endpoint.instance), endpoint]));
    const present = snapshot.instances.map((instance) => {
      const key = endpointKey(instance);
      const known = before.get(key);
      before.delete(key);
      return known === undefined
        ? new EndpointState(instance, this.#options.now())
        : this.#renew(known, instance);
    });
    const gone = [...before.values()].filter((endpoint) => endpoint.inFlight > 0);
    for (const endpoint of gone) {
      endpoint.phase = 'draining';
      endpoint.record = 'gone';
    }
    for (const endpoint of present)
      endpoint.phase = endpoint.instance.status === 'draining' ? 'draining' : 'serving';
    this.#endpoints = [...present, ...gone];
    this.#countEjected();
    for (const [tag, rotation] of this.#rotations) {
      rotation.replace(this.#members(tag));
      if (tag !== undefined && rotation.size === 0) this.#rotations.delete(tag);
    }
  }

  acquire(request: LeaseRequest): Lease | LeaseRefusal {
    const rotation = this.#rotation(request.tag);
    const untried =
      request.tried.length === 0
        ? () => true
        : (endpoint: EndpointState) => !request.tried.includes(endpoint);
    const admissible = (endpoint: EndpointState): boolean => {
      if (endpoint.health.state === 'healthy') return untried(endpoint);
      return (
        admission(endpoint.health, this.#options.now()) === 'probe' &&
        endpoint.probes === 0 &&
        untried(endpoint)
      );
    };
    // Panic rule: when our own judgement leaves nobody, it is our judgement that is in doubt.
    const endpoint = rotation.next(admissible) ?? rotation.next(untried);
    return endpoint === undefined ? 'none' : this.#lease(endpoint);
  }

  #lease(endpoint: EndpointState): Lease {
    if (endpoint.health.state === 'ejected' && this.#options.now() >= endpoint.health.untilMs) {
      endpoint.health = { state: 'probation', ejections: endpoint.health.ejections };
      this.#countEjected();
    }
    return new LeaseState(this, endpoint);
  }

  /** Called by leases only. */
  reported(endpoint: EndpointState, report: EndpointReport): void {
    const { health: before } = endpoint;
    // The usual case, on every request: nothing to change.
    if (report === 'success' && before.state === 'healthy' && before.failures + before.ejections === 0)
      return;
    const { ejection } = this.policy;
    const { now } = this.#options;
    const room = this.#ejected < ejectionLimit(ejection, this.#endpoints.length) ? 'free' : 'full';
    const health = observe(ejection, before, { report, nowMs: now(), room });
    if (health === before) return;
    endpoint.health = health;
    this.#countEjected();
  }

  /** Called by leases only. */
  released(endpoint: EndpointState): void {
    if (endpoint.inFlight > 0 || endpoint.record === 'listed') return;
    this.#endpoints = this.#endpoints.filter((other) => other !== endpoint);
  }

  #renew(endpoint: EndpointState, instance: Instance): EndpointState {
    const before = endpoint.instance;
    endpoint.instance = instance;
    // A new registration or a check that passes again is news from the instance itself: what we held against it is void.
    const restarted = before.createIndex !== instance.createIndex;
    const recovered = before.status === 'critical' && instance.status !== 'critical';
    if (restarted || recovered) endpoint.health = freshHealth(this.#options.now());
    return endpoint;
  }

  #rotation(tag: string | undefined): Rotation<EndpointState> {
    let rotation = this.#rotations.get(tag);
    if (rotation === undefined) {
      rotation = createRotation<EndpointState>((endpoint) => endpoint.instance.weight, this.#options.random);
      rotation.replace(this.#members(tag));
      if (tag === undefined || rotation.size > 0) this.#rotations.set(tag, rotation);
    }
    return rotation;
  }

  #members(tag: string | undefined): readonly EndpointState[] {
    return this.#endpoints.filter(
      (endpoint) => serves(endpoint) && (tag === undefined || endpoint.instance.tags.includes(tag)),
    );
  }

  #countEjected(): void {
    this.#ejected = this.#endpoints.filter((endpoint) => endpoint.health.state === 'ejected').length;
  }
}

class LeaseState implements Lease {
  readonly endpoint: EndpointState;
  readonly #upstream: UpstreamState;
  readonly #probe: boolean;
  #released = false;

  constructor(upstream: UpstreamState, endpoint: EndpointState) {
    this.endpoint = endpoint;
    this.#upstream = upstream;
    this.#probe = endpoint.health.state === 'probation';
    endpoint.inFlight += 1;
    endpoint.total += 1;
    if (this.#probe) endpoint.probes += 1;
  }

  report(report: EndpointReport): void {
    if (!this.#released) this.#upstream.reported(this.endpoint, report);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.endpoint.inFlight -= 1;
    if (this.#probe) this.endpoint.probes -= 1;
    this.#upstream.released(this.endpoint);
  }
}
