import {
  createUpstream,
  Demand,
  type HealthChange,
  type Instance,
  type Upstream,
  type UpstreamPolicy,
} from '@roundhouse/agent-sdk/internal';

import { type ServiceSettings, serviceSettings } from '../../config/gateway-config.ts';
import { createRetryBudget, type RetryBudget } from '../../exchange/retry-budget.ts';
import type { AddressPolicy } from '../addresses/address-policy.ts';
import type { RegistryConfig, ServiceView } from '../registry-contract.ts';
import { combinedWatchState, type WatchNews, type WatchState } from '../sources/watch-state.ts';
import { claimsOf, noClaims, type ServiceClaims } from './claims.ts';
import {
  newServiceState,
  reduceService,
  type ServiceStateEvent,
  type ServiceState,
  type ServiceUpdate,
} from './service-state.ts';

export interface ServiceRuntimeOptions {
  readonly service: string;
  /** Both as they are now: they change. */
  readonly config: () => RegistryConfig;
  readonly addresses: () => AddressPolicy;
  readonly onHealth: (news: HealthChange) => void;
  readonly onAnswered: (instance: Instance) => void;
  readonly onLiveness: () => void;
  readonly onWatch: (news: WatchNews) => void;
  readonly now: () => number;
  readonly random: () => number;
}

/** One service: its state, and the upstream and the retry budget that follow it. Owned by the registry. */
export class ServiceRuntime {
  readonly upstream: Upstream;
  /** How often it is asked for. */
  readonly demand = new Demand();
  readonly #options: ServiceRuntimeOptions;
  #state: ServiceState;
  #claims = noClaims;
  #budget: RetryBudget;
  #budgetRules: string;

  constructor(options: ServiceRuntimeOptions) {
    const { service, onHealth, onAnswered, onLiveness, now, random } = options;
    this.#options = options;
    this.#state = newServiceState(service, this.#settingsFor({}));
    const policy = policyOf(this.#state.settings);
    this.upstream = createUpstream(service, { policy, now, random, onHealth, onAnswered, onLiveness });
    this.#budgetRules = this.#rulesOfBudget();
    this.#budget = this.#newBudget();
  }

  get state(): ServiceState {
    return this.#state;
  }

  get watch(): WatchState {
    return combinedWatchState([...this.#state.inputs.values()].map(({ watch }) => watch));
  }

  get budget(): RetryBudget {
    return this.#budget;
  }

  get claims(): ServiceClaims {
    return this.#claims;
  }

  /** Takes an event in: what balancing goes by is up to date when it returns. What is claimed is read by {@link readClaims}. */
  apply(event: ServiceStateEvent): ServiceUpdate | undefined {
    const { config, addresses, now, onWatch } = this.#options;
    const context = {
      nowMs: now(),
      holdMs: config().guard.holdMs,
      addresses: addresses(),
      settingsFor: this.#settingsFor,
    };
    const { state, update, news } = reduceService(this.#state, event, context);
    this.#state = state;
    if (this.#budgetRules !== this.#rulesOfBudget()) {
      this.#budgetRules = this.#rulesOfBudget();
      this.#budget = this.#newBudget();
    }
    if (update?.settings !== undefined) this.upstream.setPolicy(policyOf(update.settings));
    if (update !== undefined) this.upstream.update(update.instances);
    if (news !== undefined) onWatch(news);
    return update;
  }

  /** Reads what the instances claim now. Returns what they claimed before. */
  readClaims(): ServiceClaims {
    const before = this.#claims;
    if (this.#state.snapshot !== undefined) this.#claims = claimsOf(this.#state.snapshot);
    return before;
  }

  /** Whether an instance serves (one that carries the tag, if there is one), and has failed neither checks nor requests. */
  isLive(tag: string | undefined): boolean {
    return this.upstream.endpoints.some(
      ({ instance, phase, health, check }) =>
        phase === 'serving' &&
        instance.status !== 'critical' &&
        health.state === 'healthy' &&
        check !== 'down' &&
        (tag === undefined || instance.tags.includes(tag)),
    );
  }

  /** Those of the held instances that have these keys. */
  heldInstances(keys: readonly string[]): readonly Instance[] {
    return keys.flatMap((key) => this.#state.held.rows.get(key)?.instance ?? []);
  }

  /** The service as others see it: values of now. */
  view(): ServiceView {
    const { service, snapshot, settings, meta, held } = this.#state;
    return {
      service,
      upstream: this.upstream,
      snapshot,
      watch: this.watch,
      settings,
      invalidTags: this.#claims.invalid,
      invalidSettings: meta.invalid,
      held: [...held.rows.values()],
    };
  }

  /** What the configuration says of the service wins over what the service asks for. */
  readonly #settingsFor = (meta: Parameters<typeof serviceSettings>[1]): ServiceSettings => {
    const { service, config } = this.#options;
    const { services, ...defaults } = config();
    const configured = services.find((row) => row.service === service)?.settings ?? {};
    return serviceSettings(defaults, meta, configured);
  };

  #rulesOfBudget(): string {
    const { budgetRatio, budgetFloorPerSecond } = this.#options.config().retry;
    return [budgetRatio, budgetFloorPerSecond, this.#state.settings.maxRetries].join(' ');
  }

  #newBudget(): RetryBudget {
    const { budgetRatio, budgetFloorPerSecond } = this.#options.config().retry;
    return createRetryBudget({
      ratio: budgetRatio,
      floorPerSecond: budgetFloorPerSecond,
      maxConcurrent: this.#state.settings.maxRetries,
    });
  }
}

/** The part of a service's settings that its upstream follows. */
function policyOf(settings: ServiceSettings): UpstreamPolicy {
  const {
    balance,
    slowStartMs,
    maxConnections,
    queue,
    maxRequests,
    panicRatio,
    ejection,
    outliers,
    silence,
  } = settings;
  return {
    balance,
    slowStartMs,
    maxConnections,
    queue,
    maxRequests,
    panicRatio,
    ejection,
    outliers,
    silence,
  };
}
