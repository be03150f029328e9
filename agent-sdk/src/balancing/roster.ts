import type { Instance } from '../discovery/instance.ts';
import { EndpointState, endpointKey } from './endpoint-state.ts';
import type { UpstreamPolicy } from './upstream-policy.ts';

/** Fewer primaries than this say too little to doubt the registry's judgement of them. */
const minPrimariesForPanic = 3;

/** What an update made of the endpoints. */
export interface RosterChange {
  /** Those of which anything has changed. */
  readonly touched: ReadonlySet<EndpointState>;
  /** Those that sit elsewhere among the members now, or nowhere: new, gone, of another weight, role or tags. */
  readonly moved: ReadonlySet<EndpointState>;
  /** Members now that were none before. */
  readonly joined: readonly EndpointState[];
  /** Those that have news of their own, which voids what we held against them: registered anew, back, or no longer critical. */
  readonly renewed: readonly EndpointState[];
}

/** Who is in an upstream, by the snapshots: keeps an endpoint as long as key, address and port stay. */
export class Roster {
  /** In the order of the snapshot. */
  listed: readonly EndpointState[] = [];
  panic: 'calm' | 'panic' = 'calm';
  /** Members that the registry does not call critical. */
  healthyMembers = 0;
  readonly #byKey = new Map<string, EndpointState>();
  /** Of those that are gone, the ones with leases, by `endpointKey`. */
  readonly #gone = new Map<string, EndpointState>();
  #round = 0;

  find(key: string): EndpointState | undefined {
    return this.#byKey.get(key);
  }

  /** Every endpoint: those that are listed, then those that finish what they have. */
  all(): readonly EndpointState[] {
    return [...this.listed, ...this.#gone.values()];
  }

  forget(endpoint: EndpointState): void {
    this.#gone.delete(endpointKey(endpoint.instance));
  }

  /** A new list. Linear in its length, but what is the same object as before costs a comparison only. */
  replace(instances: readonly Instance[], policy: UpstreamPolicy, nowMs: number): RosterChange {
    this.#round += 1;
    const before = this.listed;
    const listed: EndpointState[] = [];
    const touched = new Set<EndpointState>();
    const moved = new Set<EndpointState>();
    const renewed: EndpointState[] = [];
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
      if (endpoint !== known || isNews(endpoint.instance, instance)) renewed.push(endpoint);
      if (this.#read(endpoint, instance, policy) === 'moved') moved.add(endpoint);
    }
    this.listed = listed;
    for (const endpoint of before) {
      if (endpoint.round === this.#round) continue;
      this.#leave(endpoint);
      touched.add(endpoint);
      moved.add(endpoint);
    }
    return { touched, moved, renewed, joined: this.#settle(touched, moved, policy) };
  }

  /** The same list under another policy. */
  reconsider(policy: UpstreamPolicy): RosterChange {
    const touched = new Set(this.listed);
    const moved = new Set<EndpointState>();
    for (const endpoint of touched) endpoint.read(policy.maxConnections);
    return { touched, moved, renewed: [], joined: this.#settle(touched, moved, policy) };
  }

  /** Decides who is a member; adds to `moved` and returns who joined. */
  #settle(
    touched: Set<EndpointState>,
    moved: Set<EndpointState>,
    policy: UpstreamPolicy,
  ): readonly EndpointState[] {
    const wasPanic = this.panic;
    this.panic = isPanic(this.listed, policy.panicRatio) ? 'panic' : 'calm';
    if (this.panic !== wasPanic)
      for (const endpoint of this.listed) if (endpoint.instance.status === 'critical') touched.add(endpoint);
    const joined: EndpointState[] = [];
    for (const endpoint of touched) {
      const membership = this.#isMember(endpoint) ? 'member' : 'none';
      if (membership === endpoint.membership) continue;
      endpoint.membership = membership;
      moved.add(endpoint);
      if (membership === 'member') joined.push(endpoint);
    }
    this.healthyMembers = this.listed.reduce(
      (count, { membership, instance }) =>
        membership === 'member' && instance.status !== 'critical' ? count + 1 : count,
      0,
    );
    return joined;
  }

  #isMember(endpoint: EndpointState): boolean {
    if (endpoint.record === 'gone' || endpoint.phase === 'draining') return false;
    if (endpoint.instance.status !== 'critical') return true;
    return this.panic === 'panic' && endpoint.role === 'primary';
  }

  #enter(instance: Instance, nowMs: number): EndpointState {
    const key = endpointKey(instance);
    const endpoint = this.#gone.get(key) ?? new EndpointState(instance, nowMs);
    this.#gone.delete(key);
    endpoint.record = 'listed';
    this.#byKey.set(instance.key, endpoint);
    return endpoint;
  }

  #leave(endpoint: EndpointState): void {
    endpoint.record = 'gone';
    endpoint.phase = 'draining';
    endpoint.membership = 'none';
    if (this.#byKey.get(endpoint.key) === endpoint) this.#byKey.delete(endpoint.key);
    if (endpoint.inFlight > 0) this.#gone.set(endpointKey(endpoint.instance), endpoint);
  }

  #read(endpoint: EndpointState, instance: Instance, policy: UpstreamPolicy): 'moved' | 'stays' {
    const { tags } = endpoint.instance;
    endpoint.instance = instance;
    const elsewhere = endpoint.read(policy.maxConnections);
    return elsewhere || !sameTags(tags, instance.tags) ? 'moved' : 'stays';
  }
}

function isAtSameAddress(a: Instance, b: Instance): boolean {
  return a.address === b.address && a.port === b.port;
}

/** A new registration or a check that passes again is news from the instance itself. */
function isNews(before: Instance, after: Instance): boolean {
  return (
    before.createIndex !== after.createIndex || (before.status === 'critical' && after.status !== 'critical')
  );
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((tag, index) => tag === b[index]));
}

/** So many critical at once: rather the registry's view is wrong than all of them are. Explicit draining is never doubted. */
function isPanic(listed: readonly EndpointState[], ratio: number): boolean {
  let primaries = 0;
  let healthy = 0;
  for (const { role, phase, instance } of listed) {
    if (role !== 'primary' || phase !== 'serving') continue;
    primaries += 1;
    if (instance.status !== 'critical') healthy += 1;
  }
  return primaries >= minPrimariesForPanic && healthy / primaries < ratio;
}
