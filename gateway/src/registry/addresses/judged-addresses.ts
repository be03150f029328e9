import type { AddressRules } from '../../config/gateway-config.ts';
import type { ServiceState } from '../services/service-state.ts';
import type { AddressFacts, AddressPolicy } from './address-policy.ts';
import { hostnameIndex, type HostnameFacts, unknownHostname } from './hostname-index.ts';

/** What the policy is made of. */
export interface JudgedAddressesParts {
  readonly addressPolicy: (rules: AddressRules, listeners: AddressFacts['listeners']) => AddressPolicy;
  readonly services: () => Iterable<Pick<ServiceState, 'inputs'>>;
}

/** The address policy in use, and what is known of the host names of instances. */
export class JudgedAddresses {
  readonly #parts: JudgedAddressesParts;
  #rules: AddressRules;
  #listeners: AddressFacts['listeners'] = [];
  /** Made at the first question after a change. */
  #hostnames: ReadonlyMap<string, HostnameFacts> | undefined;
  policy: AddressPolicy;

  constructor(rules: AddressRules, parts: JudgedAddressesParts) {
    this.#parts = parts;
    this.#rules = rules;
    this.policy = parts.addressPolicy(rules, this.#listeners);
  }

  set rules(rules: AddressRules) {
    this.#rules = rules;
    this.policy = this.#parts.addressPolicy(rules, this.#listeners);
  }

  /** The gateway's own, as they are bound. */
  set listeners(listeners: AddressFacts['listeners']) {
    this.#listeners = listeners;
    this.policy = this.#parts.addressPolicy(this.#rules, listeners);
  }

  /** Instances are at other addresses than before. */
  changed(): void {
    this.#hostnames = undefined;
  }

  readonly judgeResolved = (address: string, hostname: string): string | undefined => {
    this.#hostnames ??= hostnameIndex(this.#parts.services());
    const { trust, ports } = this.#hostnames.get(hostname) ?? unknownHostname;
    return this.policy.judgeResolved(address, ports, trust);
  };
}
