import type { Catalog, Instance, Snapshot } from '../instance.ts';
import { sameCatalog } from '../snapshot.ts';
import { compareSnapshots, isUnchanged, type SnapshotChange } from '../snapshot-change.ts';
import type { Hold, Holdable } from './evaluate-update.ts';

/** An answer beside the value that was accepted before it. */
export interface Comparison<Value, Update, Item> {
  /** The items of the accepted value; undefined when there is none. */
  accepted(): readonly Item[] | undefined;
  /** Those that the answer does not list, by none of the names by which they are recognised. */
  missing(): readonly Item[];
  /** The answer with what is held beside it, and what is new by that; `update` is undefined when nothing is. */
  accept(hold: Hold<Item> | undefined): { readonly value: Value; readonly update: Update | undefined };
}

/** How the answers of one kind are compared, and what of them can be held. */
export interface HoldableKind<Value, Update, Item> extends Holdable<Item> {
  compare(accepted: Value | undefined, answer: Value): Comparison<Value, Update, Item>;
}

/**
 * Instances are known by key or by address and port. Those that drained have announced that they leave. Critical ones still count in a bulk
 * removal: servers that give a node up for dead call all of its instances critical first and then forget them, though only its agent is away.
 */
export const holdableService: HoldableKind<Snapshot, SnapshotChange, Instance> = {
  key: ({ key }) => key,
  thresholds: ({ status }) => (status === 'draining' ? 'none' : status === 'critical' ? 'bulk' : 'both'),
  compare(accepted, answer) {
    const change = compareSnapshots(accepted, answer);
    return {
      accepted: () => accepted?.instances,
      missing: () => (change.removed.length === 0 ? [] : notMoved(change.removed, answer.instances)),
      accept(hold) {
        const update = hold === undefined ? change : withHeld(change, hold);
        return { value: update.after, update: isUnchanged(update) ? undefined : update };
      },
    };
  },
};

/** Without those at whose address and port another instance is listed. */
function notMoved(removed: readonly Instance[], listed: readonly Instance[]): readonly Instance[] {
  const wanted = new Map<number, Set<string>>();
  for (const { port, address } of removed) wanted.set(port, (wanted.get(port) ?? new Set()).add(address));
  const taken = new Map<number, Set<string>>();
  for (const { port, address } of listed)
    if (wanted.get(port)?.has(address) === true) taken.set(port, (taken.get(port) ?? new Set()).add(address));
  return removed.filter(({ port, address }) => taken.get(port)?.has(address) !== true);
}

/** The same change with some of the removed instances kept. */
function withHeld(change: SnapshotChange, { items, because }: Hold<Instance>): SnapshotChange {
  const keys = new Set(items.map(({ key }) => key));
  return {
    ...change,
    after: {
      ...change.after,
      instances: [...change.after.instances, ...items].sort((a, b) => (a.key < b.key ? -1 : 1)),
      held: [...keys].sort(),
      heldBecause: because,
    },
    removed: change.removed.filter(({ key }) => !keys.has(key)),
  };
}

/** A service name of the catalog (`tag` undefined), or one of its tags. */
export interface CatalogItem {
  readonly service: string;
  readonly tag: string | undefined;
}

/** Services count, except for Consul itself, which even an empty registry lists; tags are held along. */
export const holdableCatalog: HoldableKind<Catalog, Catalog, CatalogItem> = {
  key: ({ service, tag }) => (tag === undefined ? service : `${service}\n${tag}`),
  thresholds: ({ service, tag }) => (tag === undefined && service !== 'consul' ? 'both' : 'none'),
  compare: (accepted, answer) => ({
    accepted: () => (accepted === undefined ? undefined : itemsOf(accepted)),
    missing() {
      const tags = new Map(Object.entries(answer.services).map(([name, own]) => [name, new Set(own)]));
      return (accepted === undefined ? [] : itemsOf(accepted)).filter(({ service, tag }) =>
        tag === undefined ? !tags.has(service) : tags.get(service)?.has(tag) !== true,
      );
    },
    accept(hold) {
      const value = hold === undefined ? answer : withItems(answer, hold.items);
      return { value, update: accepted !== undefined && sameCatalog(accepted, value) ? undefined : value };
    },
  }),
};

function itemsOf({ services }: Catalog): readonly CatalogItem[] {
  return Object.entries(services).flatMap(([service, tags]) => [
    { service, tag: undefined },
    ...tags.map((tag) => ({ service, tag })),
  ]);
}

function withItems(answer: Catalog, held: readonly CatalogItem[]): Catalog {
  const services = new Map(Object.entries(answer.services));
  for (const { service, tag } of held) {
    const tags = services.get(service) ?? [];
    services.set(service, tag === undefined ? tags : [...tags, tag].sort());
  }
  const merged = Object.create(null) as Record<string, readonly string[]>;
  for (const name of [...services.keys()].sort()) merged[name] = services.get(name) ?? [];
  return { ...answer, services: merged };
}
