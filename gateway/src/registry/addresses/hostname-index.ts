import type { ServiceState } from '../services/service-state.ts';
import type { AddressSource } from './address-policy.ts';

/** What is known of a host name at which instances are, for judging what it resolves to. */
export interface HostnameFacts {
  /** A name that the registry uses as well gets no trust from the configuration. */
  readonly trust: AddressSource;
  readonly ports: readonly number[];
}

/** Of a host name at which no instance is. */
export const unknownHostname: HostnameFacts = { trust: 'registry', ports: [] };

/** By host name. Addresses are in it too and cost little. */
export function hostnameIndex(
  services: Iterable<Pick<ServiceState, 'inputs'>>,
): ReadonlyMap<string, HostnameFacts> {
  const index = new Map<string, { trust: AddressSource; ports: Set<number> }>();
  for (const { inputs } of services) {
    for (const { trust, snapshot, refused } of inputs.values()) {
      for (const { key, address, port } of snapshot?.instances ?? []) {
        if (refused.has(key)) continue;
        const facts = index.get(address) ?? { trust, ports: new Set() };
        if (trust === 'registry') facts.trust = trust;
        facts.ports.add(port);
        index.set(address, facts);
      }
    }
  }
  return new Map([...index].map(([host, { trust, ports }]) => [host, { trust, ports: [...ports] }]));
}
