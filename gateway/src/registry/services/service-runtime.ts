import {
  createUpstream,
  Demand,
  type HeldInstance,
  type InvalidRouteTag,
  type Snapshot,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import { type ServiceSettings, serviceSettings } from '../../config/gateway-config.ts';
import type { InvalidSetting } from '../../config/meta-settings.ts';
import type { Destination } from '../../exchange/destination.ts';
import { createRetryBudget, type RetryBudget } from '../../exchange/retry-budget.ts';
import type { Route } from '../../routing/route.ts';
import type { AddressPolicy } from '../addresses/address-policy.ts';
import type { RegistryConfig } from '../configured-services.ts';
import type { Listeners } from '../registry-listener.ts';
import { combinedWatchState, type WatchState } from '../sources/watch-state.ts';
import type { RouteTables } from '../table/route-tables.ts';
import { claimsOf, noClaims, type ServiceClaims } from './claims.ts';
import {
  newServiceState,
  reduceService,
  type ServiceStateEvent,
  type ServiceState,
  type ServiceUpdate,
} from './service-state.ts';

/** One service as the gateway knows it. */
export interface ServiceView {
  readonly service: string;
  readonly upstream: Upstream;
  /** The instances that the gateway uses; undefined before the first answer. */
  readonly snapshot: Snapshot | undefined;
  readonly watch: WatchState;
  readonly settings: ServiceSettings;
  readonly invalidTags: readonly InvalidRouteTag[];
  readonly invalidSettings: readonly InvalidSetting[];
  /** Instances of the snapshot that the registry no longer lists, with their probe results. */
  readonly held: readonly HeldInstance[];
}

export interface ServiceRuntimeOptions {
  readonly service: string;
  /** Both as they are now: they change. */
  readonly config: () => RegistryConfig;
  readonly addresses: () => AddressPolicy;
  readonly tables: Pick<RouteTables, 'answered' | 'livenessChanged'>;
  readonly listeners: Listeners;
  readonly now: () => number;
  readonly random: () => number;
}

interface Retries {
  readonly rules: string;
  readonly budget: RetryBudget;
}

/** One service: its state, and the upstream and the retry budget that follow it. Owned by the registry. */
export class ServiceRuntime {
  readonly upstream: Upstream;
  /** How often it is asked for. */
  readonly demand = new Demand();
  readonly #options: ServiceRuntimeOptions;
  #state: ServiceState;
  #claims = noClaims;
  #retries: Retries;

  constructor(options: ServiceRuntimeOptions) {
    const { service, tables, listeners, now, random } = options;
    this.#options = options;
    this.#state = newServiceState(service, this.#settingsFor({}));
    const policy = this.#state.settings;
    this.upstream = createUpstream(service, {
      policy,
      now,
      random,
      onHealth: (news) => {
        listeners.tell('healthChanged', service, news);
      },
      onAnswered: ({ tags }) => {
        tables.answered(service, tags);
      },
      onLiveness: () => {
        tables.livenessChanged(service);
      },
    });
    this.#retries = this.#retriesAfter(undefined);
  }

  get state(): ServiceState {
    return this.#state;
  }

  get watch(): WatchState {
    return combinedWatchState([...this.#state.inputs.values()].map(({ watch }) => watch));
  }

  get claims(): ServiceClaims {
    return this.#claims;
  }

  /** Takes an event in: what balancing goes by is up to date when it returns. What is claimed is read by {@link readClaims}. */
  apply(event: ServiceStateEvent): ServiceUpdate | undefined {
    const { config, addresses, now, listeners } = this.#options;
    const context = {
      nowMs: now(),
      holdMs: config().guard.holdMs,
      onlyTags: config().discovery.onlyTags,
      addresses: addresses(),
      settingsFor: this.#settingsFor,
    };
    const { state, update, news } = reduceService(this.#state, event, context);
    this.#state = state;
    this.#retries = this.#retriesAfter(this.#retries);
    if (update?.settings !== undefined) this.upstream.setPolicy(update.settings);
    if (update !== undefined) this.upstream.update(update.instances);
    if (news !== undefined) listeners.tell('watchChanged', news);
    return update;
  }

  /** Reads what the instances claim now. Returns what they claimed before. */
  readClaims(): ServiceClaims {
    const before = this.#claims;
    if (this.#state.snapshot !== undefined)
      this.#claims = claimsOf(this.#state.snapshot, this.#options.config().discovery.tagPrefix);
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

  /** The target of a route to it: upstream and settings, with the route's own overrides of the global ones; `known` where it still applies. */
  destination(route: Route, known: Destination | undefined): Destination {
    const { upstream, demand } = this;
    const { hash, sticky } = this.#state.settings;
    const { budget } = this.#retries;
    if (
      known?.upstream === upstream &&
      known.budget === budget &&
      known.hash === hash &&
      known.sticky === sticky
    )
      return known;
    const { timeouts, retry, hedgeAfterMs } = this.#options.config();
    const { attempts, statuses, nonIdempotent } = retry;
    return {
      route,
      upstream,
      demand,
      timeouts: { ...timeouts, ...route.timeouts },
      retry: { attempts, statuses, nonIdempotent, ...route.retry },
      hedgeAfterMs: route.hedgeAfterMs ?? hedgeAfterMs,
      hash,
      sticky,
      budget,
    };
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

  /** The budget of its retries by the rules of now; the one before while they stay the same. */
  #retriesAfter(before: Retries | undefined): Retries {
    const { budgetRatio: ratio, budgetFloorPerSecond: floorPerSecond } = this.#options.config().retry;
    const options = { ratio, floorPerSecond, maxConcurrent: this.#state.settings.maxRetries };
    const rules = JSON.stringify(options);
    return before?.rules === rules ? before : { rules, budget: createRetryBudget(options) };
  }
}
