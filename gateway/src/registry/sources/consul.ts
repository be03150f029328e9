import {
  createReadingBudget,
  createRecoverySignal,
  type RegistryClient,
  watchCatalog,
  watchService,
} from '@roundhouse/agent-sdk/internal';

import type { RegistrySource } from './registry-source.ts';

/** How long the catalog's watch pauses at most between two failed attempts; the other watches wait for it, or for 15 s. */
const catalogRetryMaxMs = 1_000;

/**
 * The services of one Consul agent. Its watches wake each other when it answers again, and share what they read in a storm. `name`: see
 * {@link RegistrySource.name}; `default` for the only one. The caller owns the client.
 */
export function createConsulSource(client: RegistryClient, name = 'default'): RegistrySource {
  const shared = { recovery: createRecoverySignal(), cluster: name };
  const budget = createReadingBudget();
  return {
    name,
    trust: 'registry',
    watchCatalog: (options) => watchCatalog(client, { ...shared, ...options, retryMaxMs: catalogRetryMaxMs }),
    watchService: (service, { seed, ...options }) =>
      watchService(client, service, {
        ...shared,
        ...options,
        budget,
        ...(seed === undefined ? {} : { seed }),
      }),
  };
}
