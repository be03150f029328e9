import {
  type Instance,
  type QuarantinedRecord,
  type Snapshot,
  unmatchedInstances,
} from '@roundhouse/agent-sdk/internal';

import type { AddressPolicy, AddressSource } from './address-policy.ts';

/** Takes instances at refused addresses out of snapshots. */
export interface AddressScreen {
  /**
   * The snapshot without them; they are quarantined, with the reason. The same object when there is none. `before`: what came before it of
   * the same service, which saves looking at what is in both.
   */
  screen(snapshot: Snapshot, source: AddressSource, before?: Snapshot): Snapshot;
}

/** A screen for one policy. Judges each instance once, however often it comes by. */
export function createAddressScreen(policy: AddressPolicy): AddressScreen {
  const verdicts = new WeakMap<Instance, { readonly refusal: string | undefined }>();
  /** Snapshots in which nothing was refused. */
  const passed = new WeakSet<Snapshot>();
  const refusalOf = (instance: Instance, source: AddressSource): string | undefined => {
    const known = verdicts.get(instance);
    if (known !== undefined) return known.refusal;
    const refusal = policy.judge(instance.address, instance.port, source);
    verdicts.set(instance, { refusal });
    return refusal;
  };
  return {
    screen(snapshot, source, before) {
      if (before !== undefined && passed.has(before)) {
        const { added, renewed } = unmatchedInstances(before.instances, snapshot.instances);
        const passes = (instance: Instance): boolean => refusalOf(instance, source) === undefined;
        if (added.every(passes) && renewed.every(({ after }) => passes(after))) {
          passed.add(snapshot);
          return snapshot;
        }
      }
      const refused: QuarantinedRecord[] = [];
      const instances = snapshot.instances.filter((instance) => {
        const refusal = refusalOf(instance, source);
        if (refusal === undefined) return true;
        const { node, id, address, port } = instance;
        refused.push({ node, id, reason: `address ${address} port ${port} is refused: ${refusal}` });
        return false;
      });
      if (refused.length === 0) {
        passed.add(snapshot);
        return snapshot;
      }
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
