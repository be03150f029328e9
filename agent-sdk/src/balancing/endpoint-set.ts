import type { Instance } from '../discovery/instance.ts';
import { EndpointState, endpointKey } from './endpoint-state.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** With fewer primaries than this, the panic rule does not apply. */
const minPrimariesForPanic = 3;

/** What an update changed. */
export interface EndpointSetChange {
  /** Endpoints whose inputs may have changed. */
  readonly touched: ReadonlySet<EndpointState>;
  /** Endpoints whose subsets have to be rebuilt: new or gone, or with another weight, role, tags or eligibility. */
  readonly moved: ReadonlySet<EndpointState>;
  /** Endpoints that have become eligible. */
  readonly joined: readonly EndpointState[];
  /** Endpoints whose ejection state is void: registered anew, back, or no longer critical. */
  readonly reset: readonly EndpointState[];
}

/** The endpoints of an upstream, by its snapshots. An endpoint is kept as long as key, address and port stay. */
export class EndpointSet {
  /** In the order of the snapshot. */
  listed: readonly EndpointState[] = [];
  /** Whether the panic rule is in force: so many are critical that the registry's view is in doubt. */
  panic = false;
  /** Eligible endpoints that are not critical. */
  healthyCount = 0;
  readonly #byKey = new Map<string, EndpointState>();
  /** Endpoints that are no longer listed and still have leases, by `endpointKey`. */
  readonly #unlisted = new Map<string, EndpointState>();
  #round = 0;

  /** The listed endpoint of an `Instance.key`. */
  find(key: string): EndpointState | undefined {
    return this.#byKey.get(key);
  }

  /** The listed endpoints, then those that still have leases. */
  all(): readonly EndpointState[] {
    return [...this.listed, ...this.#unlisted.values()];
  }

  /** Forgets an endpoint that is no longer listed. */
  forget(endpoint: EndpointState): void {
    this.#unlisted.delete(endpointKey(endpoint.instance));
  }

  /** A new list. Linear in its length, but what is the same object as before costs a comparison only. */
  replace(instances: readonly Instance[], policy: UpstreamPolicy, nowMs: number): EndpointSetChange {
    this.#round += 1;
    const before = this.listed;
    const listed: EndpointState[] = [];
    const touched = new Set<EndpointState>();
    const moved = new Set<EndpointState>();
    const reset: EndpointState[] = [];
    let at = 0;
    for (const instance of instances) {
      // Both lists are sorted by key, so that they mostly run in step.
      if (before[at]?.key !== instance.key && before[at + 1]?.key === instance.key) at += 1;
      const beside = before[at];
      const known = beside?.key === instance.key ? beside : this.#byKey.get(instance.key);
      if (known === beside) at += 1;
      if (known?.round === this.#round) continue;
      const endpoint =
        known !== undefined && isAtSameAddress(known.instance, instance)
          ? known
          : this.#enter(instance, nowMs);
      endpoint.round = this.#round;
      listed.push(endpoint);
      if (endpoint === known && known.instance === instance) continue;
      touched.add(endpoint);
      if (endpoint !== known || isFreshStart(endpoint.instance, instance)) reset.push(endpoint);
      if (this.#read(endpoint, instance, policy)) moved.add(endpoint);
    }
    this.listed = listed;
    for (const endpoint of before) {
      if (endpoint.round === this.#round) continue;
      this.#leave(endpoint);
      touched.add(endpoint);
      moved.add(endpoint);
    }
    return { touched, moved, reset, joined: this.#settle(touched, moved, policy) };
  }

  /** The same endpoints under another policy. */
  applyPolicy(policy: UpstreamPolicy): EndpointSetChange {
    const touched = new Set(this.listed);
    const moved = new Set<EndpointState>();
    for (const endpoint of touched) endpoint.readRecord(policy.maxConnections);
    return { touched, moved, reset: [], joined: this.#settle(touched, moved, policy) };
  }

  /** Decides which endpoints are eligible; adds to `moved` and returns those that have become so. */
  #settle(
    touched: Set<EndpointState>,
    moved: Set<EndpointState>,
    policy: UpstreamPolicy,
  ): readonly EndpointState[] {
    const wasPanic = this.panic;
    this.panic = isPanic(this.listed, policy.panicRatio);
    if (this.panic !== wasPanic)
      for (const endpoint of this.listed) if (endpoint.instance.status === 'critical') touched.add(endpoint);
    const joined: EndpointState[] = [];
    for (const endpoint of touched) {
      const eligible = this.#isEligible(endpoint);
      if (eligible === endpoint.eligible) continue;
      endpoint.eligible = eligible;
      moved.add(endpoint);
      if (eligible) joined.push(endpoint);
    }
    this.healthyCount = this.listed.reduce(
      (count, { eligible, instance }) => (eligible && instance.status !== 'critical' ? count + 1 : count),
      0,
    );
    return joined;
  }

  #isEligible({ phase, instance, isBackup }: EndpointState): boolean {
    return phase === 'serving' && (instance.status !== 'critical' || (this.panic && !isBackup));
  }

  #enter(instance: Instance, nowMs: number): EndpointState {
    const key = endpointKey(instance);
    const endpoint = this.#unlisted.get(key) ?? new EndpointState(instance, nowMs);
    this.#unlisted.delete(key);
    endpoint.listed = true;
    this.#byKey.set(instance.key, endpoint);
    return endpoint;
  }

  #leave(endpoint: EndpointState): void {
    endpoint.listed = false;
    if (this.#byKey.get(endpoint.key) === endpoint) this.#byKey.delete(endpoint.key);
    if (endpoint.inFlight > 0) this.#unlisted.set(endpointKey(endpoint.instance), endpoint);
  }

  /** Takes a newer record in. True when the subsets of the endpoint have to be rebuilt. */
  #read(endpoint: EndpointState, instance: Instance, policy: UpstreamPolicy): boolean {
    const { tags } = endpoint.instance;
    endpoint.instance = instance;
    return endpoint.readRecord(policy.maxConnections) || !sameTags(tags, instance.tags);
  }
}

function isAtSameAddress(a: Instance, b: Instance): boolean {
  return a.address === b.address && a.port === b.port;
}

/** A new registration, or a check that passes again: the instance itself has changed. */
function isFreshStart(before: Instance, after: Instance): boolean {
  return (
    before.createIndex !== after.createIndex || (before.status === 'critical' && after.status !== 'critical')
  );
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((tag, index) => tag === b[index]));
}

/** The registry is more likely wrong than most primaries critical at once. Draining is explicit, so it is always believed. */
function isPanic(listed: readonly EndpointState[], ratio: number): boolean {
  let primaries = 0;
  let healthy = 0;
  for (const { isBackup, phase, instance } of listed) {
    if (isBackup || phase === 'draining') continue;
    primaries += 1;
    if (instance.status !== 'critical') healthy += 1;
  }
  return primaries >= minPrimariesForPanic && healthy / primaries < ratio;
}
