import type {
  HealthNews,
  HoldReason,
  Instance,
  InvalidRouteTag,
  Snapshot,
} from '@roundhouse/agent-sdk/internal';

import type { ServiceSettings } from '../config/gateway-config.ts';
import type { RejectedClaim } from '../routing/ownership.ts';
import type { Route } from '../routing/route.ts';
import type { InvalidSetting } from './meta-settings.ts';
import type { WatchNews } from './watch-state.ts';

/** What changed, for the log and for whoever holds connections. Plain values. */
export type RegistryChange =
  | {
      readonly kind: 'instances';
      readonly before: Snapshot | undefined;
      readonly after: Snapshot;
      readonly routes: readonly Route[];
    }
  | { readonly kind: 'routes'; readonly before: readonly Route[]; readonly after: readonly Route[] }
  | { readonly kind: 'rejected'; readonly claims: readonly RejectedClaim[] }
  | { readonly kind: 'invalid'; readonly service: string; readonly tags: readonly InvalidRouteTag[] }
  /** The registry took these away in a way that is checked before it is believed. */
  | {
      readonly kind: 'held';
      readonly service: string;
      readonly instances: readonly Instance[];
      readonly because: HoldReason;
    }
  /** Held instances that were let go before their time. `reason` for a person. */
  | {
      readonly kind: 'let_go';
      readonly service: string;
      readonly instances: readonly Instance[];
      readonly reason: string;
    }
  /** The gateway leaves an instance out for a while, or takes it in again. */
  | { readonly kind: 'health'; readonly service: string; readonly news: HealthNews }
  | { readonly kind: 'settings'; readonly service: string; readonly settings: ServiceSettings }
  | {
      readonly kind: 'invalid_settings';
      readonly service: string;
      readonly settings: readonly InvalidSetting[];
    }
  /** A saved table is served, because the registry has not answered. */
  | { readonly kind: 'adopted'; readonly services: readonly string[]; readonly ageMs: number }
  | WatchNews;
