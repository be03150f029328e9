import { fixedSnapshot } from '@roundhouse/agent-sdk/internal';

import type { RegistryConfig } from './registry-contract.ts';
import type { ServiceRuntime } from './services/service-runtime.ts';
import type { ServiceUpdates } from './services/service-updates.ts';
import type { RegistrySource } from './sources/registry-source.ts';
import type { SourceWatches } from './sources/source-watches.ts';

/** The source of the lists in the configuration; their instances have this cluster, too. */
export const configured: Pick<RegistrySource, 'name' | 'trust'> = { name: 'fixed', trust: 'config' };

/** What follows the lists. */
export interface ConfiguredListsParts {
  /** The service of a name; made when it is not there. */
  readonly service: (name: string) => ServiceRuntime;
  readonly services: ReadonlyMap<string, ServiceRuntime>;
  readonly updates: ServiceUpdates;
  readonly watches: SourceWatches;
}

/** The configuration's lists take the place of what was known of their services before. */
export function followLists(config: RegistryConfig, parts: ConfiguredListsParts): void {
  const { updates, watches } = parts;
  const lists = new Map(config.services.map(({ service, instances }) => [service, instances]));
  for (const [name, instances] of lists) {
    if (instances === undefined) continue;
    const service = parts.service(name);
    const snapshot = fixedSnapshot(name, instances);
    updates.apply(service, { kind: 'list', source: configured, watch: { kind: 'fixed' }, snapshot });
    updates.seen.add(name);
    watches.leave(name);
  }
  for (const [name, service] of parts.services) {
    const isListed = lists.get(name) !== undefined;
    for (const source of service.state.inputs.keys()) {
      if (isListed !== (source === configured.name) && (isListed || source === configured.name))
        updates.apply(service, { kind: 'dropped', source });
    }
  }
}
