import type { AddressRules } from '../../config/gateway-config.ts';
import type { ServiceState } from '../services/service-state.ts';
import type { AddressFacts, AddressPolicy, AddressSource } from './address-policy.ts';

/** What is known of a host name at which instances are, for judging what it resolves to. */
interface HostnameFacts {
  /** A name that the registry uses as well gets no trust from the configuration. */
  trust: AddressSource;
  readonly ports: Set<number>;
}

/** The address policy in use, and what is known of the host names of instances. */
export class JudgedAddresses {
  readonly #policyFor: (rules: AddressRules, listeners: AddressFacts['listeners']) => AddressPolicy;
  readonly #services: () => Iterable<Pick<ServiceState, 'inputs'>>;
  #rules: AddressRules;
  #listeners: AddressFacts['listeners'] = [];
  /** Made at the first question after a change. */
  #hostnames: ReadonlyMap<string, HostnameFacts> | undefined;
  policy: AddressPolicy;

  constructor(
    rules: AddressRules,
    policyFor: (rules: AddressRules, listeners: AddressFacts['listeners']) => AddressPolicy,
    services: () => Iterable<Pick<ServiceState, 'inputs'>>,
  ) {
    this.#policyFor = policyFor;
    this.#services = services;
    this.#rules = rules;
    this.policy = policyFor(rules, this.#listeners);
  }

  /** Goes by these rules of the configuration, and these listeners of the gateway as they are bound; by the old ones where one is left out. */
  follow({
    rules = this.#rules,
    listeners = this.#listeners,
  }: Partial<Pick<AddressFacts, 'rules' | 'listeners'>>): void {
    this.#rules = rules;
    this.#listeners = listeners;
    this.policy = this.#policyFor(rules, listeners);
  }

  /** Instances are at other addresses than before. */
  changed(): void {
    this.#hostnames = undefined;
  }

  readonly judgeResolved = (address: string, hostname: string): string | undefined => {
    this.#hostnames ??= hostnamesOf(this.#services());
    const { trust = 'registry', ports = [] } = this.#hostnames.get(hostname) ?? {};
    return this.policy.judgeResolved(address, [...ports], trust);
  };
}

/** What is known by host name. Addresses are among them too and cost little. */
function hostnamesOf(services: Iterable<Pick<ServiceState, 'inputs'>>): ReadonlyMap<string, HostnameFacts> {
  const hostnames = new Map<string, HostnameFacts>();
  for (const { inputs } of services) {
    for (const { trust, snapshot, refused } of inputs.values()) {
      for (const { key, address, port } of snapshot?.instances ?? []) {
        if (refused.has(key)) continue;
        const facts = hostnames.get(address) ?? { trust, ports: new Set() };
        if (trust === 'registry') facts.trust = trust;
        facts.ports.add(port);
        hostnames.set(address, facts);
      }
    }
  }
  return hostnames;
}
