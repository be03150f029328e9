/**
 * Holding back suspicious removals. "Errors keep, success replaces, and a suspicious success waits": a registry that restarted empty, an
 * election, or an agent that has not caught up answers 200 with a short list (hashicorp/consul#1960). What such an answer takes away is
 * held: it stays beside the answer until one of these things happens.
 *
 *                 listed again, by key or at the same address
 *            ┌─────────────────────────────────────────────────┐
 *            ▼                                                 │
 *         listed ──── suspicious removal ──────────────────▶ held
 *            │                                                 │
 *            │                                                 ├── holdMs is over and a fresh read confirms it ──▶ removed
 *            │                                                 └── two failed probes, or the operator's release ──▶ let go
 *            └── ordinary removal ──▶ removed                                                                        │
 *                                                                listed again ──▶ listed;  hold is over ──▶ removed ◀┘
 *
 * - This file decides what is held and for how long. `holdable.ts` says what can be held of a service and of the catalog. The watch calls
 *   both for every answer, and reads often while something is held ({@link readWhileHeld}).
 * - `held-instances.ts` is what the owner of a service knows of its held instances; it can let them go. `held-prober.ts` asks them.
 */
import type { HoldReason } from '../instance.ts';

/**
 * What makes an answer suspicious before its content is looked at. `none`: nothing. In doubt are answers whose index went backwards or
 * did not move (`index`) and those from which rows may have been filtered out (`filtered`); in trouble are the first answer after a failure
 * and those that were given without a leader.
 */
export type Suspicion = 'none' | Exclude<HoldReason, 'removal'>;

/** What a suspicious answer took away and is kept for now. */
export interface Hold<Item> {
  readonly items: readonly Item[];
  /** When the answer alone will count, in the caller's monotonic ms. */
  readonly untilMs: number;
  readonly because: HoldReason;
}

/** What the evaluation remembers from one answer to the next. */
export interface HoldState<Item> {
  /** Undefined: nothing is held. */
  readonly hold: Hold<Item> | undefined;
  /** When an answer last took something away that had not drained; undefined: never. The caller's monotonic ms. */
  readonly removedMs: number | undefined;
}

/** The state before the first answer. */
export const noHold: HoldState<never> = { hold: undefined, removedMs: undefined };

/** What the evaluation has to know of items. */
export interface Holdable<Item> {
  key(item: Item): string;
  /**
   * Which thresholds the loss of an item counts towards. `both`: half of a doubtful answer, and the share of a bulk removal. `bulk`: only the
   * share of a bulk removal. `none`: neither; the item is held along with others.
   */
  thresholds(item: Item): 'both' | 'bulk' | 'none';
}

/** When removals are suspicious, and how long they are held. */
export interface HoldPolicy {
  /** How long items are held at most; 0: never. */
  readonly holdMs: number;
  /** An answer that takes away more than this share at once is suspicious by that alone; 1: never. */
  readonly maxRemovedRatio: number;
}

/** One answer, beside what was accepted before it. */
export interface UpdateFacts<Item> extends HoldPolicy {
  /** The items of the last accepted value, held ones included; undefined before the first. */
  readonly accepted: readonly Item[] | undefined;
  /** Those of them that the answer does not list, by none of the names by which they are recognised. */
  readonly missing: readonly Item[];
  readonly suspicion: Suspicion;
  readonly nowMs: number;
}

/** Removals that follow each other within this time count as one: a fleet is often deregistered one by one. */
const togetherMs = 5_000;

/**
 * Decides what is held beside an answer. Missing items are held when an answer that is not beyond doubt has lost at least half of what was
 * accepted, or when any answer has lost two items (within some seconds) and more than `maxRemovedRatio`. An item that came back once is
 * held no more, so its later deregistration is prompt. Further trouble and further removals prolong a hold; mere doubt does not, so
 * that a registry that is always doubtful is believed in the end.
 */
export function evaluateUpdate<Item>(
  kind: Holdable<Item>,
  state: HoldState<Item>,
  facts: UpdateFacts<Item>,
): HoldState<Item> {
  const { accepted, missing, nowMs, maxRemovedRatio } = facts;
  if (accepted === undefined) return noHold;
  const hold = nextHold(kind, state, { ...facts, accepted });
  const removesSome = maxRemovedRatio < 1 && missing.some((item) => kind.thresholds(item) !== 'none');
  return {
    hold: hold === undefined || hold.items.length === 0 || hold.untilMs <= nowMs ? undefined : hold,
    removedMs: removesSome ? nowMs : state.removedMs,
  };
}

function nextHold<Item>(
  kind: Holdable<Item>,
  { hold, removedMs }: HoldState<Item>,
  facts: UpdateFacts<Item> & { readonly accepted: readonly Item[] },
): Hold<Item> | undefined {
  const { accepted, missing, suspicion, nowMs, holdMs } = facts;
  // The usual case: nothing is gone.
  if (hold === undefined && missing.length === 0) return undefined;
  const untilMs = nowMs + holdMs;
  const counts = (item: Item): boolean => kind.thresholds(item) === 'both';
  const counted = accepted.filter(counts);
  const lostHalf =
    suspicion !== 'none' &&
    (counted.length > 0
      ? isHalf(missing.filter(counts).length, counted.length)
      : isHalf(missing.length, accepted.length));
  const held = new Set(hold?.items.map((item) => kind.key(item)));
  const isFree = (item: Item): boolean => !held.has(kind.key(item));
  const remaining = missing.filter((item) => !isFree(item));
  if (suspicion === 'after_failure' || suspicion === 'no_leader') {
    if (lostHalf) return { items: missing, untilMs, because: suspicion };
    if (hold !== undefined) return { ...hold, items: remaining, untilMs };
  }
  const isOver = hold !== undefined && hold.untilMs <= nowMs;
  const kept = isOver ? [] : remaining;
  const removed = missing.filter(isFree);
  const countsInBulk = (item: Item): boolean => kind.thresholds(item) !== 'none';
  const recentRemovals = removedMs !== undefined && nowMs - removedMs <= togetherMs ? 1 : 0;
  const isBulkRemoval = [counts, countsInBulk].some((measure) => {
    const before = accepted.filter((item) => isFree(item) && measure(item)).length;
    const lost = removed.filter(measure).length;
    return lost + recentRemovals > 1 && lost > before * facts.maxRemovedRatio;
  });
  if (isBulkRemoval) return { items: [...kept, ...removed], untilMs, because: 'removal' };
  if (isOver) return undefined;
  if (hold !== undefined) return { ...hold, items: lostHalf ? missing : kept };
  return lostHalf ? { items: missing, untilMs, because: suspicion } : undefined;
}

/** Whether at least half of so many is lost. */
function isHalf(lost: number, of: number): boolean {
  return lost > 0 && lost * 2 >= of;
}

/**
 * While something is held, the registry is asked afresh this often: what took rows away without a change of the index (an ACL, a lost
 * leader) gives them back in the same way, and no blocking read would show it.
 */
const recheckMs = 2_000;

/** How the next read is made: how long it may block, and whether it must not. When a hold runs out, a fresh read decides. */
export function readWhileHeld(
  hold: Hold<unknown> | undefined,
  nowMs: number,
  waitMs: number,
): { readonly isFresh: boolean; readonly blockMs: number } {
  if (hold === undefined) return { isFresh: false, blockMs: waitMs };
  const leftMs = hold.untilMs - nowMs;
  return { isFresh: leftMs <= 0, blockMs: Math.ceil(Math.min(waitMs, recheckMs, Math.max(1, leftMs))) };
}
