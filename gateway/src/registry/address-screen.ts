import type { Instance, QuarantinedRecord, Snapshot } from '@roundhouse/agent-sdk/discovery';

import type { AddressPolicy, AddressSource } from './address-policy.ts';

/** Takes instances at refused addresses out of snapshots. */
export interface AddressScreen {
  /** The snapshot without them; they are quarantined, with the reason. The same object when there is none. */
  screen(snapshot: Snapshot, source: AddressSource): Snapshot;
}

/** A screen for one policy. Judges each instance once, however often it comes by. */
export function createAddressScreen(policy: AddressPolicy): AddressScreen {
  const verdicts = new WeakMap<Instance, { readonly refusal: string | undefined }>();
  const refusalOf = (instance: Instance, source: AddressSource): string | undefined => {
    const known = verdicts.get(instance);
    if (known !== undefined) return known.refusal;
    const refusal = policy.judge(instance.address, instance.port, source);
    verdicts.set(instance, { refusal });
    return refusal;
  };
  return {
    screen(snapshot, source) {
      const refused: QuarantinedRecord[] = [];
      const instances = snapshot.instances.filter((instance) => {
        const refusal = refusalOf(instance, source);
        if (refusal === undefined) return true;
        const { node, id, address, port } = instance;
        refused.push({ node, id, reason: `address ${address} port ${port} is refused: ${refusal}` });
        return false;
      });
      if (refused.length === 0) return snapshot;
      const keys = new Set(instances.map(({ key }) => key));
      return {
        ...snapshot,
        instances,
        quarantined: [...snapshot.quarantined, ...refused],
        held: snapshot.held.filter((key) => keys.has(key)),
      };
    },
  };
}
