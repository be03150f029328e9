import type { RouteClaim } from '@roundhouse/agent-sdk/internal';

import type { Route } from './route.ts';

/** A service's claim on a route, as its registered instances state it. */
export interface ServiceClaim {
  readonly service: string;
  readonly claim: RouteClaim;
  /** Instances that carry it and serve. */
  readonly serving: number;
  /** Smallest registry index of an instance that carries it: who was first. */
  readonly since: number;
}

/** A claim that is not followed, and why. */
export interface RejectedClaim {
  readonly service: string;
  readonly host: string | undefined;
  readonly prefix: string;
  readonly strip: string | undefined;
  readonly reason: string;
}

/** Who has a route that the registry gave, or a built-in one. */
export interface Incumbent {
  readonly route: Route;
  /** Whether a registered instance asks for it. Otherwise it is only remembered: no request can be served on it. */
  readonly isClaimed: boolean;
  /** Whether an instance has answered a request for it since. An owner that never answered gives way at once. */
  readonly served: boolean;
  /** Since when it has had no live instance; undefined while it has. */
  readonly idleSinceMs: number | undefined;
}

/** What ownership is decided by. */
export interface OwnershipFacts {
  /** Routes from the config, and the built-in ones. */
  readonly configured: readonly Route[];
  readonly claims: readonly ServiceClaim[];
  /** Whether the registry lists an instance of a service, whatever its state. */
  readonly isListed: (service: string) => boolean;
  /** Whether an instance of the service (that carries the tag, if there is one) serves, and has not failed. */
  readonly isLive: (service: string, tag: string | undefined) => boolean;
  /** Whether the service, the present owner of the route, has answered a request for it since the last decision. */
  readonly hasAnswered: (name: string, service: string) => boolean;
  /** Monotonic. */
  readonly nowMs: number;
  /** How long an owner that has served may be without a live instance. */
  readonly releaseAfterMs: number;
  /** A route that an operator has taken from a service just now. */
  readonly released?: { readonly name: string; readonly service: string } | undefined;
}
