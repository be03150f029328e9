import {
  routingKeyMetaKey,
  type Instance,
  type InstanceUpdate,
  type Snapshot,
  type SnapshotChange,
} from '@roundhouse/agent-sdk/internal';

/** A listed instance that the gateway does not use, and why. One that is `for_others` is unknown to this gateway when it asks. */
export interface RefusedInstance {
  readonly refused: string;
  readonly is: 'wanted' | 'for_others';
}

/** The reason why the gateway does not use a listed instance, by its key. */
export type Hidden = ReadonlyMap<string, 'let_go' | RefusedInstance>;

/**
 * The change without hidden instances, those hidden before it and those hidden after it. `before`: the last snapshot without hidden
 * instances. Returns `change` itself while nothing is hidden.
 */
export function withoutHidden(
  change: SnapshotChange,
  before: Snapshot | undefined,
  hidden: { readonly before: Hidden; readonly after: Hidden },
): SnapshotChange {
  if (hidden.before.size === 0 && hidden.after.size === 0) return change;
  const was = (instance: Instance): boolean => !hidden.before.has(instance.key);
  const is = (instance: Instance): boolean => !hidden.after.has(instance.key);
  const added = change.added.filter(is);
  const removed = change.removed.filter(was);
  const updated: InstanceUpdate[] = [];
  const seen = new Set([...change.added, ...change.removed].map(({ key }) => key));
  for (const update of change.updated) {
    seen.add(update.after.key);
    if (was(update.before) && is(update.after)) updated.push(update);
    else if (was(update.before)) removed.push(update.before);
    else if (is(update.after)) added.push(update.after);
  }
  // The registry's records of these are the same; the gateway began or ceased to hide them.
  const unchanged = new Set(
    [...hidden.before.keys(), ...hidden.after.keys()].filter((key) => !seen.has(key)),
  );
  for (const instance of unchanged.size === 0 ? [] : change.after.instances) {
    if (unchanged.has(instance.key) && was(instance) !== is(instance))
      (is(instance) ? added : removed).push(instance);
  }
  return { before, after: visible(change.after, hidden.after), added, removed, updated };
}

/** The snapshot without hidden instances. Refused ones are listed as quarantined. */
export function visible(snapshot: Snapshot, hidden: Hidden): Snapshot {
  if (hidden.size === 0) return snapshot;
  const refused = snapshot.instances.flatMap(({ key, node, id, meta }) => {
    const reason = hidden.get(key);
    return typeof reason === 'object'
      ? {
          ...{ node, id, reason: reason.refused },
          key: reason.is === 'wanted' ? meta[routingKeyMetaKey] : undefined,
        }
      : [];
  });
  return {
    ...snapshot,
    instances: snapshot.instances.filter(({ key }) => !hidden.has(key)),
    quarantined: [...snapshot.quarantined, ...refused],
    held: snapshot.held.filter((key) => !hidden.has(key)),
  };
}
