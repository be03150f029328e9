import { networkInterfaces } from 'node:os';

import type { RegistryClient } from '@roundhouse/agent-sdk/internal';

import type { AddressRules } from '../../config/gateway-config.ts';
import { createAddressPolicy, type AddressFacts, type AddressPolicy } from './address-policy.ts';

/** Which registered addresses are believed on this machine, as it is now. `listeners` are the gateway's own. */
export function localAddressPolicy(
  rules: AddressRules,
  consul: RegistryClient['address'],
  listeners: AddressFacts['listeners'],
): AddressPolicy {
  return createAddressPolicy({
    rules,
    consul: consul.kind === 'tcp' ? consul : undefined,
    listeners,
    localAddresses: Object.values(networkInterfaces()).flatMap((own) => own?.map((one) => one.address) ?? []),
  });
}
