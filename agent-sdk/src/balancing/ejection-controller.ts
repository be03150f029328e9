import { eject, ejectionLimit, freshHealth, observe, probation, readmit } from './ejection.ts';
import type { EndpointSet } from './endpoint-set.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { CheckVerdict, EndpointHealth, EndpointReport, HealthChange } from './endpoint.ts';
import { Heap } from './heap.ts';
import type { LeaseState } from './lease.ts';
import { OutlierDetector } from './outlier-detector.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** What an ejection controller needs. */
export interface EjectionControllerOptions {
  readonly endpoints: EndpointSet;
  readonly now: () => number;
  /** Whether a trusted backup can stand in for primaries. */
  readonly hasBackup: () => boolean;
  /** Hears of ejections and of recoveries from them. */
  readonly tell: (news: HealthChange) => void;
}

type Cause = Extract<HealthChange, { kind: 'ejected' }>['because'];

/** Decides which endpoints of an upstream are ejected, for how long, and how many may be at a time. */
export class EjectionController {
  readonly #options: EjectionControllerOptions;
  /** Ejected endpoints; the first one's ejection ends first. */
  readonly #ejected = new Heap<EndpointState>((a, b) => endOf(a.health) < endOf(b.health));
  /** Endpoints that count towards the limit of ejections. */
  readonly #counted = new Set<EndpointState>();
  readonly #outliers: OutlierDetector;

  constructor(options: EjectionControllerOptions) {
    this.#options = options;
    this.#outliers = new OutlierDetector(options.now);
  }

  /** Whether an endpoint is ejected, so that {@link expire} has to be called. */
  get hasEjected(): boolean {
    return this.#ejected.first !== undefined;
  }

  /** Ends the ejections whose time is over: their endpoints are in probation from now on. */
  expire(): void {
    const nowMs = this.#options.now();
    let first = this.#ejected.first;
    while (first !== undefined && endOf(first.health) <= nowMs) {
      this.#set(first, probation(first.health));
      first = this.#ejected.first;
    }
  }

  reported(policy: UpstreamPolicy, lease: LeaseState, report: EndpointReport): void {
    const { endpoint } = lease;
    const { health } = endpoint;
    const isLate = lease.ejections !== health.ejections;
    if (!isLate && health.state === 'healthy') this.#outliers.count(policy.outliers, lease, report);
    // The usual case, on every request: nothing to change.
    if (report === 'success' && health.state === 'healthy' && health.failures + health.ejections === 0)
      return;
    if (!endpoint.listed) return;
    const nowMs = this.#options.now();
    const mayEject = this.#mayEject(policy, endpoint);
    const cause = report === 'success' ? undefined : report;
    this.#set(endpoint, observe(policy.ejection, health, { report, isLate, nowMs, mayEject }), cause);
    if (report !== 'success') this.#ejectOutliers(policy, nowMs);
  }

  /** A verdict of the gateway's checks; `up` also ends an ejection. */
  checked(endpoint: EndpointState, verdict: CheckVerdict): void {
    endpoint.check = verdict;
    if (verdict === 'up') this.readmit(endpoint);
    else endpoint.refresh();
    this.recount(endpoint);
  }

  /** Ends an ejection: the endpoint has shown otherwise that it can be used. */
  readmit(endpoint: EndpointState): void {
    const { health } = endpoint;
    this.#set(endpoint, health.state === 'healthy' ? health : readmit(health, this.#options.now()));
  }

  /** Forgets the failures and ejections of an endpoint. */
  reset(endpoint: EndpointState): void {
    endpoint.answers.clear();
    this.#set(endpoint, freshHealth(this.#options.now()));
  }

  /** The endpoint is no longer listed. */
  remove(endpoint: EndpointState): void {
    this.#ejected.delete(endpoint);
    this.recount(endpoint);
  }

  /** Counts an endpoint towards the limit of ejections, or not, after one of its inputs has changed. */
  recount(endpoint: EndpointState): void {
    const { eligible, instance, check, health } = endpoint;
    if (eligible && instance.status !== 'critical' && check !== 'down' && health.state !== 'healthy')
      this.#counted.add(endpoint);
    else this.#counted.delete(endpoint);
  }

  #ejectOutliers(policy: UpstreamPolicy, nowMs: number): void {
    for (const endpoint of this.#outliers.find(policy.outliers, this.#options.endpoints.listed, nowMs)) {
      if (this.#mayEject(policy, endpoint))
        this.#set(endpoint, eject(policy.ejection, endpoint.health, nowMs), 'outlier');
    }
  }

  /**
   * An instance that Consul already calls critical does not count towards the limit. Nor does the limit hold for primaries while backups can
   * serve in their place, since it only ensures that enough endpoints remain.
   */
  #mayEject({ ejection }: UpstreamPolicy, { instance, isBackup }: EndpointState): boolean {
    const { hasBackup, endpoints } = this.#options;
    if (instance.status === 'critical' || (!isBackup && hasBackup())) return true;
    return this.#counted.size < ejectionLimit(ejection, endpoints.healthyCount);
  }

  #set(endpoint: EndpointState, health: EndpointHealth, cause?: Cause): void {
    const before = endpoint.health;
    if (health !== before) {
      this.#ejected.delete(endpoint);
      endpoint.health = health;
      if (health.state === 'ejected') {
        this.#ejected.add(endpoint);
        endpoint.answers.clear();
      }
      this.recount(endpoint);
      this.#tell(endpoint, before, cause);
    }
    endpoint.refresh();
  }

  #tell({ instance, health }: EndpointState, before: EndpointHealth, cause: Cause | undefined): void {
    const { tell, now } = this.#options;
    if (health.state === 'ejected' && cause !== undefined)
      tell({ kind: 'ejected', instance, because: cause, lengthMs: health.untilMs - now() });
    else if (health.state === 'healthy' && before.state !== 'healthy') tell({ kind: 'recovered', instance });
  }
}

function endOf(health: EndpointHealth): number {
  return health.state === 'ejected' ? health.untilMs : Infinity;
}
