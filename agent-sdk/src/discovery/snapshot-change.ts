import type { Instance, Snapshot } from './instance.ts';

/**
 * How a service changed from one snapshot to the next. The reader of the registry's answer computes it once; every part that follows
 * the service uses that result. A plain value: it survives structured clone, and no part relies on the identity of its objects.
 */
export interface SnapshotChange {
  /** Undefined for the first snapshot: everything is added then. */
  readonly before: Snapshot | undefined;
  readonly after: Snapshot;
  /** Instances whose key is new, in the order of their keys. */
  readonly added: readonly Instance[];
  /** Instances whose key is gone. */
  readonly removed: readonly Instance[];
  /** Instances with the same key and another content. */
  readonly updated: readonly InstanceUpdate[];
}

/** One instance whose record has changed. */
export interface InstanceUpdate {
  readonly before: Instance;
  readonly after: Instance;
}

/**
 * Compares two snapshots of one service by key, then by content. Linear, because both lists are sorted by key. `after` of the result is made
 * of the objects of `before` wherever their content is equal, so that the next comparison costs next to nothing for what stays.
 */
export function compareSnapshots(before: Snapshot | undefined, after: Snapshot): SnapshotChange {
  if (before === undefined) return { before, after, added: after.instances, removed: [], updated: [] };
  const { instances, ...lists } = diffByKey(before.instances, after.instances);
  return { before, after: { ...after, instances }, ...lists };
}

/**
 * Whether instances, quarantined records and holds are the same before and after. The index is not compared: it also moves when none
 * of these has changed.
 */
export function isUnchanged({ before, after, added, removed, updated }: SnapshotChange): boolean {
  return (
    before !== undefined &&
    added.length === 0 &&
    removed.length === 0 &&
    updated.length === 0 &&
    sameTexts(before.held, after.held) &&
    sameList(
      before.quarantined,
      after.quarantined,
      (x, y) => x.node === y.node && x.id === y.id && x.reason === y.reason,
    )
  );
}

/** Compares two lists that are sorted by key, without an index. `instances`: `after`, with the objects of `before` where they are equal. */
function diffByKey(
  before: readonly Instance[],
  after: readonly Instance[],
): Pick<SnapshotChange, 'added' | 'removed' | 'updated'> & { readonly instances: readonly Instance[] } {
  const added: Instance[] = [];
  const removed: Instance[] = [];
  const updated: InstanceUpdate[] = [];
  let at = 0;
  const instances = after.map((instance) => {
    let old = before[at];
    while (old !== undefined && old !== instance && old.key < instance.key) {
      removed.push(old);
      at += 1;
      old = before[at];
    }
    if (old?.key !== instance.key) {
      added.push(instance);
      return instance;
    }
    at += 1;
    if (sameInstance(old, instance)) return old;
    updated.push({ before: old, after: instance });
    return instance;
  });
  for (const instance of before.slice(at)) removed.push(instance);
  return { added, removed, updated, instances };
}

function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a === b ||
    (a.key === b.key &&
      a.address === b.address &&
      a.port === b.port &&
      a.status === b.status &&
      a.weight === b.weight &&
      a.createIndex === b.createIndex &&
      a.service === b.service &&
      sameTexts(a.tags, b.tags) &&
      sameMeta(a.meta, b.meta))
  );
}

function sameMeta(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
  );
}

/** Whether two lists hold the same texts in the same order. */
export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return sameList(a, b, (x, y) => x === y);
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((item, index) => {
    const other = b[index];
    return other !== undefined && same(item, other);
  });
}
