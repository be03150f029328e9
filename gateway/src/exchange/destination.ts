import type { Upstream } from '@roundhouse/agent-sdk/internal';

import type { Route } from '../routing/route.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { AttemptTimeouts } from './seam.ts';

/** When a failed attempt may be repeated; the rules are in docs/reliability.md. */
export interface RetryRules {
  /** Attempts per exchange, the first included. */
  readonly attempts: number;
  /** Answers of an instance after which an idempotent request is tried elsewhere: of 502, 503 and 504, none by default. */
  readonly statuses: readonly number[];
  /** `allow`: methods that are not idempotent are repeated like the others; the operator vouches for the service. */
  readonly nonIdempotent: 'never' | 'allow';
}

/** What a request is placed by under `consistent-hash`. Names of header fields are in lower case. */
export type HashSource =
  | { readonly kind: 'client-ip' }
  | { readonly kind: 'path' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

/** Where a request goes: the matched route with what stands behind it at this moment. */
export interface Destination {
  readonly route: Route;
  readonly upstream: Upstream;
  readonly timeouts: AttemptTimeouts;
  readonly retry: RetryRules;
  /** 0: never. */
  readonly hedgeAfterMs: number;
  readonly hash: HashSource;
  /** `cookie`: the client stays with its instance by a signed cookie. */
  readonly sticky: 'off' | 'cookie';
  /** Of the service: its share and floor, and how many retries may be under way at a time. */
  readonly budget: RetryBudget;
}
