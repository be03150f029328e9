import type { Instance } from '../discovery/instance.ts';
import type { SnapshotChange } from '../discovery/snapshot-change.ts';
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

/** The endpoints of an upstream, by the changes of its snapshot. An endpoint is kept as long as key, address and port stay. */
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

  /** Follows a change. An endpoint at a new address or port is a new one. */
  apply(
    { after, added, removed, updated }: SnapshotChange,
    policy: UpstreamPolicy,
    nowMs: number,
  ): EndpointSetChange {
    const touched = new Set<EndpointState>();
    const moved = new Set<EndpointState>();
    const reset: EndpointState[] = [];
    const leave = (endpoint: EndpointState): void => {
      this.#leave(endpoint);
      touched.add(endpoint);
      moved.add(endpoint);
    };
    const enter = (instance: Instance): void => {
      const endpoint = this.#enter(instance, nowMs);
      endpoint.readRecord(policy.maxConnections);
      touched.add(endpoint);
      moved.add(endpoint);
      reset.push(endpoint);
    };
    for (const { key } of removed) {
      const endpoint = this.#byKey.get(key);
      if (endpoint !== undefined) leave(endpoint);
    }
    for (const { after: instance } of updated) {
      const endpoint = this.#byKey.get(instance.key);
      if (endpoint === undefined || !isAtSameAddress(endpoint.instance, instance)) {
        if (endpoint !== undefined) leave(endpoint);
        enter(instance);
        continue;
      }
      const before = endpoint.instance;
      endpoint.instance = instance;
      touched.add(endpoint);
      if (isFreshStart(before, instance)) reset.push(endpoint);
      if (endpoint.readRecord(policy.maxConnections) || !sameTags(before.tags, instance.tags))
        moved.add(endpoint);
    }
    for (const instance of added) enter(instance);
    if (moved.size > 0) this.#list(after.instances);
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
    this.healthyCount = 0;
    for (const { eligible, instance } of this.listed)
      if (eligible && instance.status !== 'critical') this.healthyCount += 1;
    return joined;
  }

  #isEligible({ phase, instance, isBackup }: EndpointState): boolean {
    return phase === 'serving' && (instance.status !== 'critical' || (this.panic && !isBackup));
  }

  /** Puts the endpoints in the order of the instances. Both lists run in step where nothing has changed, which spares the look-up. */
  #list(instances: readonly Instance[]): void {
    const stayed = this.listed.filter(({ listed }) => listed);
    const listed: EndpointState[] = [];
    let at = 0;
    for (const { key } of instances) {
      const endpoint = stayed[at]?.key === key ? stayed[at++] : this.#byKey.get(key);
      if (endpoint !== undefined) listed.push(endpoint);
    }
    this.listed = listed;
  }

  #enter(instance: Instance, nowMs: number): EndpointState {
    const key = endpointKey(instance);
    const endpoint = this.#unlisted.get(key) ?? new EndpointState(instance, nowMs);
    this.#unlisted.delete(key);
    endpoint.instance = instance;
    endpoint.listed = true;
    this.#byKey.set(instance.key, endpoint);
    return endpoint;
  }

  #leave(endpoint: EndpointState): void {
    endpoint.listed = false;
    this.#byKey.delete(endpoint.key);
    if (endpoint.inFlight > 0) this.#unlisted.set(endpointKey(endpoint.instance), endpoint);
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
