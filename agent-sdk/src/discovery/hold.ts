import type { Catalog, HoldReason, Instance, Snapshot } from './instance.ts';
import { unmatchedInstances } from './unmatched.ts';

/**
 * What makes an answer suspicious before one looks at what it says. `none`: nothing. In doubt are answers whose index went backwards or
 * did not move (`index`) and those from which rows may have been filtered out (`filtered`); in trouble the first after a failure and
 * those that were given without a leader.
 */
export type Suspicion = 'none' | Exclude<HoldReason, 'removal'>;

/** What a suspicious answer took away and is kept for now. Undefined hold: nothing is. */
export interface Hold<Item> {
  readonly items: readonly Item[];
  /** When the answer alone will count, in the caller's monotonic ms. */
  readonly untilMs: number;
  readonly because: HoldReason;
}

/** How a kind of value comes apart into items that can be missing, and together again. */
export interface Holdable<T, Item> {
  items(value: T): readonly Item[];
  /** Those of some items that an answer does not list: by none of the names by which they are recognised. */
  missing(items: readonly Item[], answer: T): readonly Item[];
  /**
   * `counts`: its loss is a measure of trouble. `stands`: it measures only how much is removed at once. `rides`: it is only kept along
   * with the others.
   */
  role(item: Item): 'counts' | 'stands' | 'rides';
  /** The answer with the held items added. Called with at least one. */
  merge(answer: T, held: readonly Item[], because: HoldReason): T;
}

export interface HoldFacts<T, Item> {
  /** The last value that was passed on, held items included; undefined before the first. */
  readonly believed: T | undefined;
  readonly answer: T;
  readonly suspicion: Suspicion;
  readonly hold: Hold<Item> | undefined;
  readonly nowMs: number;
  readonly holdMs: number;
  /** An answer that takes away more than this share at once is suspicious by that alone; 1: never. */
  readonly maxRemovedRatio: number;
  /** When an answer last took something away that had not drained; undefined: never. The caller's monotonic ms. */
  readonly removedMs?: number | undefined;
}

/** Removals that follow each other within this time are one: somebody who deregisters a fleet does it one by one. */
const togetherMs = 5_000;

/** What to pass on, and what is held from here on. */
export interface Belief<T, Item> {
  readonly value: T;
  readonly hold: Hold<Item> | undefined;
}

/**
 * Decides what an answer is worth. "Errors keep, success replaces, and a suspicious success waits": a registry that restarted
 * empty, an election, or an agent that has not caught up answers 200 with a short list (hashicorp/consul#1960). So when an answer
 * that is not beyond doubt has lost at least half of what was believed, or any answer two items (within some seconds) and more
 * than `maxRemovedRatio` of it, the lost items stay beside it until they come back, by id or by address, or `holdMs` is over. Everything the answer does list
 * counts at once, and an item that came back once is held no more, so its later deregistration is prompt. Further trouble and
 * further removals prolong a hold; mere doubt does not, so that a registry which is always doubtful still gets its way in the end.
 */
export function weighAnswer<T, Item>(kind: Holdable<T, Item>, facts: HoldFacts<T, Item>): Belief<T, Item> {
  const { answer, believed, hold, nowMs } = facts;
  const ordinary = facts.suspicion === 'none' && facts.maxRemovedRatio >= 1;
  if (hold === undefined && (ordinary || believed === undefined)) return { value: answer, hold: undefined };
  const next = nextHold(kind, facts);
  if (next === undefined || next.items.length === 0 || next.untilMs <= nowMs)
    return { value: answer, hold: undefined };
  return { value: kind.merge(answer, next.items, next.because), hold: next };
}

function nextHold<T, Item>(kind: Holdable<T, Item>, facts: HoldFacts<T, Item>): Hold<Item> | undefined {
  const { answer, believed, suspicion, hold, nowMs, holdMs } = facts;
  const untilMs = nowMs + holdMs;
  const items = believed === undefined ? [] : kind.items(believed);
  const missing = kind.missing(items, answer);
  // The usual case: nothing is gone.
  if (hold === undefined && missing.length === 0) return undefined;
  const counts = (item: Item): boolean => kind.role(item) === 'counts';
  const counted = items.filter(counts);
  const lostHalf =
    suspicion !== 'none' &&
    (counted.length > 0
      ? isHalf(missing.filter(counts).length, counted.length)
      : isHalf(missing.length, items.length));
  const remaining = hold === undefined ? [] : kind.missing(hold.items, answer);
  if (suspicion === 'after_failure' || suspicion === 'no_leader') {
    if (lostHalf) return { items: missing, untilMs, because: suspicion };
    if (hold !== undefined) return { ...hold, items: remaining, untilMs };
  }
  const expired = hold !== undefined && hold.untilMs <= nowMs;
  const kept = expired ? [] : remaining;
  const held = new Set(hold?.items);
  const isFree = (item: Item): boolean => !held.has(item);
  const removed = missing.filter(isFree);
  const stands = (item: Item): boolean => kind.role(item) !== 'rides';
  const company = facts.removedMs !== undefined && nowMs - facts.removedMs <= togetherMs ? 1 : 0;
  const takesMuch = [counts, stands].some((measure) => {
    const before = items.filter((item) => isFree(item) && measure(item)).length;
    const lost = removed.filter(measure).length;
    return lost + company > 1 && lost > before * facts.maxRemovedRatio;
  });
  if (takesMuch) return { items: [...kept, ...removed], untilMs, because: 'removal' };
  if (expired) return undefined;
  if (hold !== undefined) return { ...hold, items: lostHalf ? missing : kept };
  return lostHalf ? { items: missing, untilMs, because: suspicion } : undefined;
}

/** Whether at least half of so many is lost. */
function isHalf(lost: number, of: number): boolean {
  return lost > 0 && lost * 2 >= of;
}

/**
 * Instances are known by key or by where they listen. Those that drained have said goodbye. Critical ones still stand for something:
 * servers that give a node up for dead call all of its instances critical first and then forget them, though only its agent is away.
 */
export const holdableSnapshot: Holdable<Snapshot, Instance> = {
  items: (snapshot) => snapshot.instances,
  missing: (items, { instances }) => {
    const { removed } = unmatchedInstances(items, instances);
    return removed.length === 0 ? removed : notMoved(removed, instances);
  },
  role: ({ status }) => (status === 'draining' ? 'rides' : status === 'critical' ? 'stands' : 'counts'),
  merge: (answer, held, heldBecause) => ({
    ...answer,
    instances: [...answer.instances, ...held].sort((a, b) => (a.key < b.key ? -1 : 1)),
    held: held.map(({ key }) => key).sort(),
    heldBecause,
  }),
};

/** Without those at whose address and port somebody is listed. */
function notMoved(removed: readonly Instance[], listed: readonly Instance[]): readonly Instance[] {
  const wanted = new Map<number, Set<string>>();
  for (const { port, address } of removed) wanted.set(port, (wanted.get(port) ?? new Set()).add(address));
  const taken = new Map<number, Set<string>>();
  for (const { port, address } of listed)
    if (wanted.get(port)?.has(address) === true) taken.set(port, (taken.get(port) ?? new Set()).add(address));
  return removed.filter(({ port, address }) => taken.get(port)?.has(address) !== true);
}

/** A service name of the catalog (`tag` undefined), or one of its tags. */
export interface CatalogItem {
  readonly service: string;
  readonly tag: string | undefined;
}

/** Services count, except for Consul itself, which even an empty registry lists; tags ride along. */
export const holdableCatalog: Holdable<Catalog, CatalogItem> = {
  items: (catalog) =>
    Object.entries(catalog.services).flatMap(([service, tags]) => [
      { service, tag: undefined },
      ...tags.map((tag) => ({ service, tag })),
    ]),
  missing: (items, { services }) => {
    const tags = new Map(Object.entries(services).map(([name, own]) => [name, new Set(own)]));
    return items.filter(({ service, tag }) =>
      tag === undefined ? !tags.has(service) : tags.get(service)?.has(tag) !== true,
    );
  },
  role: ({ service, tag }) => (tag === undefined && service !== 'consul' ? 'counts' : 'rides'),
  merge: (answer, held) => {
    const services = new Map(Object.entries(answer.services));
    for (const { service, tag } of held) {
      const tags = services.get(service) ?? [];
      services.set(service, tag === undefined ? tags : [...tags, tag].sort());
    }
    const merged = Object.create(null) as Record<string, readonly string[]>;
    for (const name of [...services.keys()].sort()) merged[name] = services.get(name) ?? [];
    return { ...answer, services: merged };
  },
};

/** Whether an answer takes something away that had not drained: the next one may then be part of the same. */
export function takesAway<T, Item>(kind: Holdable<T, Item>, believed: T | undefined, answer: T): boolean {
  if (believed === undefined) return false;
  return kind.missing(kind.items(believed), answer).some((item) => kind.role(item) !== 'rides');
}
