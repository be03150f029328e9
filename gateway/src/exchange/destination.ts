import type { Demand, Upstream } from '@roundhouse/agent-sdk/internal';

import type { AttemptTimeouts, HashSource, RetryRules } from '../routing/policy.ts';
import type { Route } from '../routing/route.ts';
import type { RetryBudget } from './retry-budget.ts';

/** Where a request goes: the matched route with what stands behind it at this moment. */
export interface Destination {
  readonly route: Route;
  readonly upstream: Upstream;
  /** How often the service is asked for. */
  readonly demand: Demand;
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
