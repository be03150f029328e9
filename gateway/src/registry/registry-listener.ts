import type {
  HealthChange,
  HoldReason,
  Instance,
  InvalidRouteTag,
  Notice,
  SnapshotChange,
} from '@roundhouse/agent-sdk/internal';

import type { ServiceSettings } from '../config/gateway-config.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import type { Route } from '../routing/route.ts';
import type { InvalidSetting } from './services/meta-settings.ts';
import type { WatchNews } from './sources/watch-state.ts';

/**
 * A part that follows the registry; it implements what it needs. Methods are called synchronously, in the order of subscription, after table
 * and upstreams have been brought up to date. They must not throw. All arguments are plain values.
 */
export interface RegistryListener {
  /** Instances or settings of a service have changed, or what the gateway says about them. */
  serviceChanged?(change: ServiceChange): void;
  /** The route table was replaced. */
  tableChanged?(change: TableChange): void;
  /** A watch can't be followed, or can again. */
  watchChanged?(news: WatchNews): void;
  /** The catalog names services that can't be believed, since now. The names are free of control characters and cut. */
  servicesRefused?(names: readonly string[]): void;
  /** Something about the way to a registry has come into force that an operator can mend. */
  noticed?(notice: Notice): void;
  /** Held instances were let go before their time. */
  instancesLetGo?(event: InstancesLetGo): void;
  /** The gateway leaves an instance out for a while, or uses it again. */
  healthChanged?(service: string, news: HealthChange): void;
  /** A saved table is served, because the registry has not answered. */
  savedTableAdopted?(services: readonly string[], ageMs: number): void;
  /** The catalog and the services known at the start have answered once. */
  synced?(): void;
}

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

/** Adds a listener; the returned function takes it away. */
export type Subscribe = (listener: RegistryListener) => () => void;

/** The listeners of a registry, called as one. */
export interface Listeners extends Required<RegistryListener> {
  readonly subscribe: Subscribe;
}

export function createListeners(): Listeners {
  const listeners = new Set<RegistryListener>();
  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    serviceChanged(change) {
      for (const listener of listeners) listener.serviceChanged?.(change);
    },
    tableChanged(change) {
      for (const listener of listeners) listener.tableChanged?.(change);
    },
    watchChanged(news) {
      for (const listener of listeners) listener.watchChanged?.(news);
    },
    noticed(notice) {
      for (const listener of listeners) listener.noticed?.(notice);
    },
    servicesRefused(names) {
      for (const listener of listeners) listener.servicesRefused?.(names);
    },
    instancesLetGo(event) {
      for (const listener of listeners) listener.instancesLetGo?.(event);
    },
    healthChanged(service, news) {
      for (const listener of listeners) listener.healthChanged?.(service, news);
    },
    savedTableAdopted(services, ageMs) {
      for (const listener of listeners) listener.savedTableAdopted?.(services, ageMs);
    },
    synced() {
      for (const listener of listeners) listener.synced?.();
    },
  };
}
