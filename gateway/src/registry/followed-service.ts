import {
  createUpstream,
  type HealthNews,
  type Instance,
  type Snapshot,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import {
  serviceSettings,
  type GatewayConfig,
  type ServiceOverrides,
  type ServiceSettings,
} from '../config/gateway-config.ts';
import { createRetryBudget, type RetryBudget } from '../exchange/retry-budget.ts';
import type { AddressScreen } from './address-screen.ts';
import { claimsOf, noClaims, type ServiceClaims } from './claims.ts';
import {
  believeHeld,
  nothingHeld,
  withoutHeld,
  withProbe,
  type Held,
  type ProbeState,
} from './held-instances.ts';
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

/** What a snapshot changed. */
export interface ServiceNews {
  readonly before: Snapshot | undefined;
  readonly after: Snapshot;
  readonly held: readonly Instance[];
  readonly settings: 'same' | 'changed';
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

  /** Takes a snapshot in, or the last one again after something else has changed. What is claimed is read by {@link readClaims}. */
  take(screen: AddressScreen, given: Snapshot | undefined = this.#given): ServiceNews | undefined {
    if (given === undefined) return undefined;
    const givenBefore = this.#given;
    this.#given = given;
    const before = this.snapshot;
    const facts = { nowMs: this.#options.now(), holdMs: this.#options.defaults.guard.holdMs };
    const source = this.watch.kind === 'fixed' ? 'config' : 'registry';
    const screened = screen.screen(given, source, givenBefore);
    const { held, snapshot: after, news } = believeHeld(this.held, screened, facts);
    this.held = held;
    this.snapshot = after;
    const invalidBefore = this.invalidSettings;
    const settings = this.#follow(after);
    this.upstream.update(after);
    const known = new Set(invalidBefore.map((row) => row.setting));
    const invalidSettings = this.invalidSettings.filter((row) => !known.has(row.setting));
    return { before, after, held: news, settings, invalidSettings };
  }

  /** Reads what the instances claim now. Returns what they claimed before. */
  readClaims(): ServiceClaims {
    const before = this.claims;
    if (this.snapshot !== undefined) this.claims = claimsOf(this.snapshot);
    return before;
  }

  /** Lets held instances go; {@link take} makes it so. The instances that were held. */
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
  #follow(snapshot: Snapshot): 'same' | 'changed' {
    const said = readMetaSettings(snapshot);
    if (said === undefined) return 'same';
    this.invalidSettings = said.invalid;
    const { defaults, configured } = this.#options;
    const settings = serviceSettings(defaults, said.overrides, configured);
    if (sameSettings(settings, this.settings)) return 'same';
    const { maxRetries } = this.settings;
    this.settings = settings;
    if (maxRetries !== settings.maxRetries) this.budget = this.#newBudget();
    this.upstream.setPolicy(policyOf(settings));
    return 'changed';
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
