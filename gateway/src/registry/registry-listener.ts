import type {
  HealthChange,
  HoldReason,
  Instance,
  InvalidRouteTag,
  Notice,
  SnapshotChange,
} from '@roundhouse/agent-sdk/internal';

import type { ServiceSettings } from '../config/gateway-config.ts';
import type { InvalidSetting } from '../config/meta-settings.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import type { Route } from '../routing/route.ts';
import type { WatchNews } from './sources/watch-state.ts';

/** What a registry tells, with its arguments: plain values all. Table and upstreams have been brought up to date before. */
export interface RegistryEvents {
  /** Instances or settings of a service have changed, or what the gateway says about them. */
  readonly serviceChanged: readonly [change: ServiceChange];
  /** The route table was replaced. */
  readonly tableChanged: readonly [change: TableChange];
  /** A watch can't be followed, or can again. */
  readonly watchChanged: readonly [news: WatchNews];
  /** The catalog names services that can't be believed, since now. The names are free of control characters and cut. */
  readonly servicesRefused: readonly [names: readonly string[]];
  /** Something about the way to a registry has come into force that an operator can mend. */
  readonly noticed: readonly [notice: Notice];
  /** Held instances were let go before their time. */
  readonly instancesLetGo: readonly [event: InstancesLetGo];
  /** The gateway leaves an instance out for a while, or uses it again. */
  readonly healthChanged: readonly [service: string, news: HealthChange];
  /** A saved table is served, because the registry has not answered. */
  readonly savedTableAdopted: readonly [services: readonly string[], ageMs: number];
}

/** A part that follows the registry; it implements what it needs. Called synchronously, in the order of subscription; must not throw. */
export type RegistryListener = {
  readonly [Event in keyof RegistryEvents]?: (...args: RegistryEvents[Event]) => void;
};

/** What is new about one service. */
export interface ServiceChange {
  readonly service: string;
  /** From the last list to this one; without any difference when only settings have changed. */
  readonly instances: SnapshotChange;
  /** The routes that lead to the service now. */
  readonly routes: readonly Route[];
  /** Undefined while they stay the same. */
  readonly settings: ServiceSettings | undefined;
  /** Instances that the registry took away in a way that is checked before it is believed; those that were not held before. */
  readonly held: readonly Instance[];
  readonly heldBecause: HoldReason | undefined;
  /** Route tags that can't be followed and were not there before. */
  readonly invalidTags: readonly InvalidRouteTag[];
  /** Settings in the meta that can't be followed and were not there before. */
  readonly invalidSettings: readonly InvalidSetting[];
}

/** What is new about the route table. */
export interface TableChange {
  readonly before: readonly Route[];
  readonly after: readonly Route[];
  /** Claims that another service's claim has precedence over since now. */
  readonly rejected: readonly RejectedClaim[];
}

/** Held instances that were let go before their time. */
export interface InstancesLetGo {
  readonly service: string;
  readonly instances: readonly Instance[];
  /** For a person. */
  readonly reason: string;
}

/** The listeners of a registry. */
export class Listeners {
  readonly #listeners = new Set<RegistryListener>();

  /** Adds a listener; the returned function takes it away. */
  readonly subscribe = (listener: RegistryListener): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  tell<Event extends keyof RegistryEvents>(event: Event, ...args: RegistryEvents[Event]): void {
    for (const listener of this.#listeners) listener[event]?.(...args);
  }
}
