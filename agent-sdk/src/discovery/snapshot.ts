import { decodeCatalog, type DecodeContext, decodeHealth, type KnownRecords } from './decode.ts';
import type { Catalog, Instance, Snapshot } from './instance.ts';
import type { ReadAnswer } from './registry-client.ts';
import { unmatchedInstances } from './unmatched.ts';

/** What an answer about one service says. Throws `RegistryError('malformed')` when it says nothing that can be read. */
export function snapshotFromAnswer(
  answer: ReadAnswer,
  context: DecodeContext,
  known?: KnownRecords,
): Snapshot {
  const { instances, quarantined } = decodeHealth(answer.body, context, known);
  return { service: context.service, index: answer.index ?? '0', instances, quarantined, held: [] };
}

/** What an answer about the catalog says. Throws `RegistryError('malformed')` when it says nothing that can be read. */
export function catalogFromAnswer(answer: ReadAnswer): Catalog {
  return decodeCatalog(answer.body, answer.index ?? '0');
}

/** The snapshot of a service that can't register: always passing, weight 1, index `"0"`. */
export function fixedSnapshot(
  service: string,
  instances: readonly { readonly address: string; readonly port: number }[],
): Snapshot {
  const byKey = new Map<string, Instance>();
  for (const { address, port } of instances) {
    const id = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const key = `fixed/config/${id}`;
    byKey.set(key, {
      key,
      cluster: 'fixed',
      node: 'config',
      id,
      service,
      address,
      port,
      tags: [],
      meta: {},
      status: 'passing',
      weight: 1,
      createIndex: 0,
    });
  }
  const sorted = [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return { service, index: '0', instances: sorted, quarantined: [], held: [] };
}

/** Whether two snapshots say the same. The index doesn't count: it also moves when nothing of this has changed. */
export function sameSnapshot(a: Snapshot, b: Snapshot): boolean {
  return (
    a.service === b.service &&
    sameTexts(a.held, b.held) &&
    sameInstances(a.instances, b.instances) &&
    sameList(
      a.quarantined,
      b.quarantined,
      (x, y) => x.node === y.node && x.id === y.id && x.reason === y.reason,
    )
  );
}

/** Whether two sorted instance lists have the same content. */
export function sameInstances(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a === b || sameList(a, b, sameInstance);
}

/**
 * The same snapshot, made of the instances of an earlier one wherever they are equal, so that whoever compares by reference has to look
 * only at what changed.
 */
export function reuseInstances(before: Snapshot | undefined, after: Snapshot): Snapshot {
  if (before === undefined || before === after) return after;
  let at = 0;
  const instances = after.instances.map((instance) => {
    // Both lists are sorted by key.
    while ((before.instances[at]?.key ?? instance.key) < instance.key) at += 1;
    const known = before.instances[at];
    return known !== undefined && sameInstance(known, instance) ? known : instance;
  });
  return { ...after, instances };
}

/** Whether two catalogs name the same services with the same tags. */
export function sameCatalog(a: Catalog, b: Catalog): boolean {
  const names = Object.keys(a.services);
  return (
    names.length === Object.keys(b.services).length &&
    names.every((name) => {
      const tags = Object.hasOwn(b.services, name) ? b.services[name] : undefined;
      return tags !== undefined && sameTexts(a.services[name] ?? [], tags);
    })
  );
}

/** What has changed between two snapshots of one service, for the log. */
export interface SnapshotDiff {
  readonly added: readonly Instance[];
  readonly removed: readonly Instance[];
  readonly changed: readonly { readonly before: Instance; readonly after: Instance }[];
}

/** Compares by key. `before` is undefined for the first snapshot: everything is added then. */
export function diffSnapshots(before: Snapshot | undefined, after: Snapshot): SnapshotDiff {
  const { added, removed, renewed } = unmatchedInstances(before?.instances ?? [], after.instances);
  return { added, removed, changed: renewed.filter((pair) => !sameInstance(pair.before, pair.after)) };
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

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return sameList(a, b, (x, y) => x === y);
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  if (a.length !== b.length) return false;
  return a.every((item, index) => {
    const other = b[index];
    return other !== undefined && same(item, other);
  });
}
