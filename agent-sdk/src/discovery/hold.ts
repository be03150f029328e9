import type { Catalog, Instance, Snapshot } from './instance.ts';

/**
 * How far an answer is to be believed. `none`: an ordinary answer. `doubt`: the index went backwards or did not move, or rows may
 * have been filtered out. `trouble`: the first answer after a failure, or one that was given without a leader.
 */
export type Suspicion = 'none' | 'doubt' | 'trouble';

/** What a suspicious answer took away and is kept for now. Undefined hold: nothing is. */
export interface Hold<Item> {
  readonly items: readonly Item[];
  /** When the answer alone will count, in the caller's monotonic ms. */
  readonly untilMs: number;
}

/** How a kind of value comes apart into items that can be missing, and together again. */
export interface Holdable<T, Item> {
  items(value: T): readonly Item[];
  /** Names by which an item is recognised when it comes back; one is enough. */
  names(item: Item): readonly string[];
  /** `counts`: its loss is a measure of trouble. `rides`: it is only kept along with the others. */
  role(item: Item): 'counts' | 'rides';
  /** The answer with the held items added. Called with at least one. */
  merge(answer: T, held: readonly Item[]): T;
}

export interface HoldFacts<T, Item> {
  /** The last value that was passed on, held items included; undefined before the first. */
  readonly believed: T | undefined;
  readonly answer: T;
  readonly suspicion: Suspicion;
  readonly hold: Hold<Item> | undefined;
  readonly nowMs: number;
  readonly holdMs: number;
}

/** What to pass on, and what is held from here on. */
export interface Belief<T, Item> {
  readonly value: T;
  readonly hold: Hold<Item> | undefined;
}

/**
 * Decides what an answer is worth. "Errors keep, success replaces, and a suspicious success waits": a registry that restarted
 * empty, an election, or an agent that has not caught up answers 200 with a short list (hashicorp/consul#1960). So when an answer
 * that is not beyond doubt has lost at least half of what was believed, the lost items stay beside it until they come back, by
 * id or by address, or `holdMs` is over. Everything the answer does list counts at once, and an item that came back once is held
 * no more, so its later deregistration is prompt. Further trouble prolongs a hold; mere doubt does not, so that a registry which
 * is always doubtful still gets its way in the end.
 */
export function weighAnswer<T, Item>(kind: Holdable<T, Item>, facts: HoldFacts<T, Item>): Belief<T, Item> {
  const { answer, hold, nowMs } = facts;
  if (hold === undefined && (facts.suspicion === 'none' || facts.believed === undefined)) {
    return { value: answer, hold: undefined };
  }
  const listed = new Set(kind.items(answer).flatMap((item) => kind.names(item)));
  const isMissing = (item: Item): boolean => !kind.names(item).some((name) => listed.has(name));
  const next = nextHold(kind, facts, isMissing);
  if (next === undefined || next.items.length === 0 || next.untilMs <= nowMs) {
    return { value: answer, hold: undefined };
  }
  return { value: kind.merge(answer, next.items), hold: next };
}

function nextHold<T, Item>(
  kind: Holdable<T, Item>,
  facts: HoldFacts<T, Item>,
  isMissing: (item: Item) => boolean,
): Hold<Item> | undefined {
  const { believed, suspicion, hold, nowMs, holdMs } = facts;
  const expired = hold !== undefined && hold.untilMs <= nowMs;
  const remaining = hold?.items.filter(isMissing) ?? [];
  if (suspicion === 'trouble') {
    const lost = believed === undefined ? undefined : lostItems(kind, believed, isMissing);
    return { items: lost ?? remaining, untilMs: nowMs + holdMs };
  }
  if (expired) return undefined;
  const lost =
    suspicion === 'doubt' && believed !== undefined ? lostItems(kind, believed, isMissing) : undefined;
  return { items: lost ?? remaining, untilMs: hold?.untilMs ?? nowMs + holdMs };
}

/** Everything that is missing, when it is at least half of what counts; else undefined. */
function lostItems<T, Item>(
  kind: Holdable<T, Item>,
  believed: T,
  isMissing: (item: Item) => boolean,
): readonly Item[] | undefined {
  const items = kind.items(believed);
  const counted = items.filter((item) => kind.role(item) === 'counts');
  const measure = counted.length > 0 ? counted : items;
  const lost = measure.filter(isMissing).length;
  return lost > 0 && lost * 2 >= measure.length ? items.filter(isMissing) : undefined;
}

/** Instances are known by key or by where they listen; those that could serve count. */
export const holdableSnapshot: Holdable<Snapshot, Instance> = {
  items: (snapshot) => snapshot.instances,
  names: (instance) => [`key ${instance.key}`, `at ${instance.address} ${instance.port}`],
  role: ({ status }) => (status === 'passing' || status === 'warning' ? 'counts' : 'rides'),
  merge: (answer, held) => ({
    ...answer,
    instances: [...answer.instances, ...held].sort((a, b) => (a.key < b.key ? -1 : 1)),
    held: held.length,
  }),
};

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
  names: ({ service, tag }) => [tag === undefined ? service : `${service}\0${tag}`],
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
