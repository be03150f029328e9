import {
  createReadingBudget,
  createRecoveryBell,
  type RegistryClient,
  watchCatalog,
  watchService,
} from '@roundhouse/agent-sdk/internal';

import type { GatewayConfig } from '../config/gateway-config.ts';
import type { RegistryOptions } from './registry.ts';

/** How long the catalog's watch pauses at most between two failed attempts; the other watches wait for it, or for 15 s. */
const lookOutMs = 1_000;

/** The registry's watches over one Consul agent. They wake each other when it answers again, and share what they read in a storm. */
export function followConsul(
  client: RegistryClient,
  guard: GatewayConfig['guard'],
): Pick<RegistryOptions, 'watchService' | 'watchCatalog'> {
  const bell = createRecoveryBell();
  const budget = createReadingBudget();
  const { holdMs, maxRemovedRatio } = guard;
  return {
    watchService: (service, signal, seed) =>
      watchService(client, service, {
        signal,
        bell,
        budget,
        holdMs,
        maxRemovedRatio,
        ...(seed === undefined ? {} : { seed }),
      }),
    watchCatalog: (signal) => watchCatalog(client, { signal, bell, holdMs, retryMaxMs: lookOutMs }),
  };
}
