import type { AddressSource } from './address-policy.ts';
import type { FollowedService } from './followed-service.ts';

/** What is known of a host name at which instances are, for judging what it resolves to. */
export interface HostFacts {
  /** Who says so. A name that the registry uses as well gets no trust from the configuration. */
  readonly source: AddressSource;
  readonly ports: readonly number[];
}

/** By host name. Addresses are in it too: nobody asks for them. */
export function hostIndex(
  services: Iterable<Pick<FollowedService, 'snapshot' | 'watch'>>,
): ReadonlyMap<string, HostFacts> {
  const index = new Map<string, { source: AddressSource; ports: Set<number> }>();
  for (const { snapshot, watch } of services) {
    const source = watch.kind === 'fixed' ? 'config' : 'registry';
    for (const { address, port } of snapshot?.instances ?? []) {
      const facts = index.get(address) ?? { source, ports: new Set() };
      if (source === 'registry') facts.source = source;
      facts.ports.add(port);
      index.set(address, facts);
    }
  }
  return new Map([...index].map(([host, { source, ports }]) => [host, { source, ports: [...ports] }]));
}
