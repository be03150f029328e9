import {
  compareSnapshots,
  createUpstream,
  type HealthNews,
  type Instance,
  type Snapshot,
  type SnapshotChange,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import {
  serviceSettings,
  type GatewayConfig,
  type ServiceOverrides,
  type ServiceSettings,
} from '../config/gateway-config.ts';
import { createRetryBudget, type RetryBudget } from '../exchange/retry-budget.ts';
import type { AddressPolicy } from './address-policy.ts';
import { claimsOf, noClaims, type ServiceClaims } from './claims.ts';
import {
  followHeld,
  nothingHeld,
  withoutHeld,
  withProbe,
  type Held,
  type ProbeState,
} from './held-instances.ts';
import { visible, withoutHidden, type Hidden } from './hidden-instances.ts';
import { readMetaSettings, type InvalidSetting } from './meta-settings.ts';
import { policyOf, sameSettings } from './service-policy.ts';
import type { WatchState } from './watch-state.ts';

/** What the settings of services come from. */
export type ServiceDefaults = ServiceSettings & Pick<GatewayConfig, 'retry' | 'guard'>;

export interface FollowedServiceOptions {
  readonly service: string;
  readonly defaults: ServiceDefaults;
  /** What the configuration says of this service; wins over what the service says itself. */
  readonly configured: ServiceOverrides;
  readonly watch: WatchState;
  readonly onHealth: (news: HealthNews) => void;
  readonly now: () => number;
  readonly random: () => number;
}

/** What an update of a service changed. */
export interface ServiceUpdate {
  /** Without the hidden instances. */
  readonly instances: SnapshotChange;
  readonly held: readonly Instance[];
  readonly settings: ServiceSettings | undefined;
  /** Those that were not there before. */
  readonly invalidSettings: readonly InvalidSetting[];
}

/** One service that is followed: what is known of it, and the upstream that is fed with it. Owned by the registry. */
export class FollowedService {
  readonly service: string;
  readonly upstream: Upstream;
  watch: WatchState;
  /** Ends the watch; undefined while there is none. */
  stop: AbortController | undefined;
  settings: ServiceSettings;
  budget: RetryBudget;
  claims: ServiceClaims = noClaims;
  /** What is believed: without refused addresses, with what is held. */
  snapshot: Snapshot | undefined;
  held: Held = nothingHeld;
  invalidSettings: readonly InvalidSetting[] = [];
  /** The last snapshot as it came. */
  #given: Snapshot | undefined;
  #refused: Hidden = new Map();
  #hidden: Hidden = new Map();
  readonly #options: FollowedServiceOptions;

  constructor(options: FollowedServiceOptions) {
    const { service, defaults, configured, watch, onHealth, now, random } = options;
    this.#options = options;
    this.service = service;
    this.watch = watch;
    this.settings = serviceSettings(defaults, configured);
    this.budget = this.#newBudget();
    this.upstream = createUpstream(service, { policy: policyOf(this.settings), now, random, onHealth });
  }

  /** Follows a change, or judges the last snapshot again after something else has changed. What is claimed is read by {@link readClaims}. */
  apply(policy: AddressPolicy, change?: SnapshotChange): ServiceUpdate | undefined {
    const given = this.#rebased(change);
    if (given === undefined) return undefined;
    const hiddenBefore = this.#hidden;
    const before = this.snapshot;
    const facts = { nowMs: this.#options.now(), holdMs: this.#options.defaults.guard.holdMs };
    const isAfresh = change === undefined || given.before === undefined;
    const judged = isAfresh ? given.after.instances : [...given.added, ...given.updated.map((u) => u.after)];
    const refused = new Map(isAfresh ? [] : this.#refused);
    for (const { key } of given.removed) refused.delete(key);
    const source = this.watch.kind === 'fixed' ? 'config' : 'registry';
    for (const { key, address, port } of judged) {
      const reason = policy.judge(address, port, source);
      if (reason === undefined) refused.delete(key);
      else refused.set(key, { refused: reason });
    }
    this.#given = given.after;
    this.#refused = refused;
    const { held, added } = followHeld(this.held, visible(given.after, refused), facts);
    this.held = held;
    const letGo = [...held.letGo].map((key) => [key, 'let_go'] as const);
    this.#hidden = letGo.length === 0 ? refused : new Map([...refused, ...letGo]);
    const instances = withoutHidden(given, before, { before: hiddenBefore, after: this.#hidden });
    this.snapshot = instances.after;
    const invalidBefore = this.invalidSettings;
    const settings = this.#follow(instances.after);
    this.upstream.update(instances);
    const known = new Set(invalidBefore.map((row) => row.setting));
    const invalidSettings = this.invalidSettings.filter((row) => !known.has(row.setting));
    return { instances, held: added, settings, invalidSettings };
  }

  /** The change from what was given last: a watch that begins anew has nothing before it; without a change, everything stays. */
  #rebased(change: SnapshotChange | undefined): SnapshotChange | undefined {
    const before = this.#given;
    if (change === undefined) {
      return before === undefined
        ? undefined
        : { before, after: before, added: [], removed: [], updated: [] };
    }
    return change.before === undefined && before !== undefined
      ? compareSnapshots(before, change.after)
      : change;
  }

  /** Reads what the instances claim now. Returns what they claimed before. */
  readClaims(): ServiceClaims {
    const before = this.claims;
    if (this.snapshot !== undefined) this.claims = claimsOf(this.snapshot);
    return before;
  }

  /** Lets held instances go; {@link apply} makes it so. The instances that were held. */
  letGo(keys: readonly string[]): readonly Instance[] {
    const instances = keys.flatMap((key) => this.held.rows.get(key)?.instance ?? []);
    this.held = withoutHeld(this.held, keys);
    return instances;
  }

  /** Takes note of what asking a held instance brought. */
  probed(key: string, state: ProbeState): void {
    this.held = withProbe(this.held, key, state);
  }

  /** Settings of the newest registration; a service without instances keeps those it had. */
  #follow(snapshot: Snapshot): ServiceSettings | undefined {
    const said = readMetaSettings(snapshot);
    if (said === undefined) return undefined;
    this.invalidSettings = said.invalid;
    const { defaults, configured } = this.#options;
    const settings = serviceSettings(defaults, said.overrides, configured);
    if (sameSettings(settings, this.settings)) return undefined;
    const { maxRetries } = this.settings;
    this.settings = settings;
    if (maxRetries !== settings.maxRetries) this.budget = this.#newBudget();
    this.upstream.setPolicy(policyOf(settings));
    return settings;
  }

  #newBudget(): RetryBudget {
    const { budgetRatio, budgetFloorPerSecond } = this.#options.defaults.retry;
    return createRetryBudget({
      ratio: budgetRatio,
      floorPerSecond: budgetFloorPerSecond,
      maxConcurrent: this.settings.maxRetries,
    });
  }
}
