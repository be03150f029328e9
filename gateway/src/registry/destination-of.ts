import type { GatewayConfig } from '../config/gateway-config.ts';
import type { Destination } from '../exchange/destination.ts';
import type { Route } from '../routing/route.ts';
import type { FollowedService } from './followed-service.ts';

/** What stands behind a route: its service's upstream and settings, with the route's own overrides of the global ones. */
export function destinationOf(
  config: Pick<GatewayConfig, 'timeouts' | 'retry' | 'hedgeAfterMs'>,
  route: Route,
  { upstream, budget, settings: { hash, sticky } }: Pick<FollowedService, 'upstream' | 'budget' | 'settings'>,
  known: Destination | undefined,
): Destination {
  const isKnown =
    known?.upstream === upstream && known.budget === budget && known.hash === hash && known.sticky === sticky;
  if (isKnown) return known;
  const { attempts, statuses, nonIdempotent } = config.retry;
  return {
    route,
    upstream,
    timeouts: { ...config.timeouts, ...route.timeouts },
    retry: { attempts, statuses, nonIdempotent, ...route.retry },
    hedgeAfterMs: route.hedgeAfterMs ?? config.hedgeAfterMs,
    hash,
    sticky,
    budget,
  };
}
