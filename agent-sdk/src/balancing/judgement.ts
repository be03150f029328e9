import { eject, ejectionLimit, freshHealth, observe, probation, readmit } from './ejection.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { EndpointHealth, EndpointReport, HealthNews } from './endpoint.ts';
import { Heap } from './heap.ts';
import type { LeaseState } from './lease.ts';
import { OutlierWatch } from './outlier-watch.ts';
import type { Roster } from './roster.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** What the judgement of an upstream's endpoints needs. */
export interface JudgementOptions {
  readonly roster: Roster;
  readonly now: () => number;
  /** Whether backups that we trust stand by. */
  readonly standby: () => 'none' | 'some';
  /** Called after an endpoint's health may have changed. */
  readonly changed: (endpoint: EndpointState) => void;
  /** Hears of ejections and of recoveries from them. */
  readonly tell: (news: HealthNews) => void;
}

/** Why an endpoint is ejected, as far as it is. */
type Cause = Extract<HealthNews, { kind: 'ejected' }>['because'];

/** Our own view of the endpoints of an upstream: who is ejected, for how long, and how many may be. */
export class Judgement {
  readonly #options: JudgementOptions;
  /** Ejected endpoints, by when their time is over. */
  readonly #ejections = new Heap<EndpointState>((a, b) => endOf(a.health) < endOf(b.health));
  readonly #outliers: OutlierWatch;
  /** How many count towards the most that may be ejected. */
  #ejected = 0;

  constructor(options: JudgementOptions) {
    this.#options = options;
    this.#outliers = new OutlierWatch(options.now);
  }

  /** Whether anybody is ejected, so that {@link pass} has to be called. */
  get pending(): 'none' | 'some' {
    return this.#ejections.first === undefined ? 'none' : 'some';
  }

  /** Lets those whose time is over into probation. */
  pass(): void {
    const nowMs = this.#options.now();
    let first = this.#ejections.first;
    while (first !== undefined && endOf(first.health) <= nowMs) {
      this.#set(first, probation(first.health));
      first = this.#ejections.first;
    }
  }

  reported(policy: UpstreamPolicy, lease: LeaseState, report: EndpointReport): void {
    const { endpoint } = lease;
    const { health } = endpoint;
    const attempt = lease.ejections === health.ejections ? 'current' : 'late';
    if (attempt === 'current' && health.state === 'healthy')
      this.#outliers.count(policy.outliers, lease, report);
    // The usual case, on every request: nothing to change.
    if (report === 'success' && health.state === 'healthy' && health.failures + health.ejections === 0)
      return;
    if (endpoint.record === 'gone') return;
    const nowMs = this.#options.now();
    const room = this.#room(policy, endpoint);
    const cause = report === 'success' ? undefined : report;
    this.#set(endpoint, observe(policy.ejection, health, { report, attempt, nowMs, room }), cause);
    if (report !== 'success') this.#ejectOutliers(policy, nowMs);
  }

  checked(endpoint: EndpointState, verdict: EndpointState['verdict']): void {
    endpoint.verdict = verdict;
    const { health } = endpoint;
    const ends = verdict === 'up' && health.state !== 'healthy';
    this.#set(endpoint, ends ? readmit(health, this.#options.now()) : health);
    this.count(endpoint);
  }

  /** What we held against an endpoint is void. */
  forgive(endpoint: EndpointState): void {
    endpoint.answers.clear();
    this.#set(endpoint, freshHealth(this.#options.now()));
  }

  /** It has left the list. */
  forget(endpoint: EndpointState): void {
    this.#ejections.delete(endpoint);
    this.count(endpoint);
  }

  /** Counts an endpoint among the ejected or not, as its state says. */
  count(endpoint: EndpointState): void {
    const counts =
      endpoint.membership === 'member' &&
      endpoint.instance.status !== 'critical' &&
      endpoint.verdict !== 'down' &&
      endpoint.health.state !== 'healthy';
    if (counts === (endpoint.ejected === 'counted')) return;
    endpoint.ejected = counts ? 'counted' : 'no';
    this.#ejected += counts ? 1 : -1;
  }

  #ejectOutliers(policy: UpstreamPolicy, nowMs: number): void {
    for (const endpoint of this.#outliers.find(policy.outliers, this.#options.roster.listed, nowMs)) {
      if (this.#room(policy, endpoint) === 'free')
        this.#set(endpoint, eject(policy.ejection, endpoint.health, nowMs), 'outlier');
    }
  }

  /**
   * The registry and we agree on who is critical: ejecting it takes nobody's room. And the limit is there so that enough remain to serve:
   * for primaries that are left out, backups are.
   */
  #room(policy: UpstreamPolicy, endpoint: EndpointState): 'free' | 'full' {
    if (endpoint.instance.status === 'critical') return 'free';
    if (endpoint.role === 'primary' && this.#options.standby() === 'some') return 'free';
    return this.#ejected < ejectionLimit(policy.ejection, this.#options.roster.healthyMembers)
      ? 'free'
      : 'full';
  }

  #set(endpoint: EndpointState, health: EndpointHealth, cause?: Cause): void {
    const before = endpoint.health;
    if (health !== before) {
      this.#ejections.delete(endpoint);
      endpoint.health = health;
      if (health.state === 'ejected') {
        this.#ejections.add(endpoint);
        endpoint.answers.clear();
      }
      this.count(endpoint);
      this.#tell(endpoint, before, cause);
    }
    this.#options.changed(endpoint);
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
