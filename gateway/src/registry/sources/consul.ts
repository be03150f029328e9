import {
  type Catalog,
  createReadingBudget,
  ReadingPlan,
  type RegistryClient,
  sameTexts,
  WakeList,
  watchCatalog,
  watchService,
} from '@roundhouse/agent-sdk/internal';

import type { RegistrySource } from './registry-source.ts';

/** How long the catalog's watch pauses at most between two failed attempts; the other watches wait for it, or for 15 s. */
const catalogRetryMaxMs = 1_000;

/**
 * The services of one Consul agent. Its watches share the agent's connections, wake each other when it answers again, and share what they
 * read in a storm. `name`: see {@link RegistrySource.name}; `default` for the only one. The caller owns the client.
 */
export function createConsulSource(client: RegistryClient, name = 'default'): RegistrySource {
  const { budget, wait, notices } = client;
  const clock = { now: () => performance.now(), random: Math.random };
  const plan = new ReadingPlan({ budget, wait, ...clock });
  const shared = { plan, recovery: new WakeList(), cluster: name };
  const reading = createReadingBudget();
  return {
    name,
    trust: 'registry',
    notices,
    async *watchCatalog(options) {
      let before: Catalog | undefined;
      for await (const event of watchCatalog(client, {
        ...shared,
        ...options,
        retryMaxMs: catalogRetryMaxMs,
      })) {
        yield event;
        if (event.kind !== 'value') continue;
        for (const service of changedServices(before, event.value)) plan.wake(service);
        before = event.value;
      }
    },
    watchService: (service, { seed, ...options }) =>
      watchService(client, service, {
        ...shared,
        ...options,
        budget: reading,
        ...(seed === undefined ? {} : { seed }),
      }),
  };
}

/** Services whose entry differs. They are read at once, even without a seat. */
function changedServices(before: Catalog | undefined, after: Catalog): readonly string[] {
  if (before === undefined) return [];
  return Object.keys(after.services).filter((name) => {
    const tags = Object.hasOwn(before.services, name) ? before.services[name] : undefined;
    return tags !== undefined && !sameTexts(tags, after.services[name] ?? []);
  });
}
