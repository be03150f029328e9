import type { HoldReason, Instance, Snapshot } from '../instance.ts';

/** What is known of a held instance by asking it. `failures` in a row. */
export type ProbeState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'alive' }
  | { readonly kind: 'failing'; readonly failures: number; readonly reason: string };

/** An instance that the registry took away, and that is kept until it is known to be dead, or time is over. */
export interface HeldInstance {
  readonly instance: Instance;
  readonly because: HoldReason;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  /** When it goes if nothing else happens; further trouble prolongs it. Monotonic milliseconds. */
  readonly untilMs: number;
  readonly probe: ProbeState;
}

/** What a gateway knows of the held instances of one service; a value, replaced whole. */
export interface Held {
  readonly rows: ReadonlyMap<string, HeldInstance>;
  /** Keys that the watch still holds, but that have been let go here: dead, or released by the operator. */
  readonly letGo: ReadonlySet<string>;
}

export const noneHeld: Held = { rows: new Map(), letGo: new Set() };

/** Failed probes in a row after which an instance is dead. */
const deadAfter = 2;
/** Between two probes of an instance that did not answer, and of one that did. */
const probeAgainMs = { failing: 200, alive: 1_000 };

/**
 * Takes note of what is held in a snapshot. What the registry lists again is no longer let go, so that it is held anew should it be taken
 * away once more. `isUsed`: whether the owner uses an instance at all. `added`: those that were not held before.
 */
export function followHeld(
  before: Held,
  snapshot: Snapshot,
  facts: {
    readonly isUsed: (instance: Instance) => boolean;
    readonly nowMs: number;
    readonly holdMs: number;
  },
): { readonly held: Held; readonly added: readonly Instance[] } {
  if (snapshot.held.length === 0) return { held: noneHeld, added: [] };
  const { isUsed, nowMs, holdMs } = facts;
  const letGo = new Set(snapshot.held.filter((key) => before.letGo.has(key)));
  const keys = new Set(snapshot.held.filter((key) => !letGo.has(key)));
  const rows = new Map<string, HeldInstance>();
  const added: Instance[] = [];
  for (const instance of snapshot.instances) {
    if (!keys.has(instance.key) || !isUsed(instance)) continue;
    const known = before.rows.get(instance.key);
    if (known === undefined) added.push(instance);
    const { heldBecause: because = 'removal' } = snapshot;
    rows.set(
      instance.key,
      known ?? { instance, because, sinceMs: nowMs, untilMs: nowMs + holdMs, probe: { kind: 'unknown' } },
    );
  }
  return { held: { rows, letGo }, added };
}

/**
 * What a probe means: let the instance go, or ask again later. `dead`: why it does not answer; undefined when it does, or when the probe
 * says nothing. Two failures in a row let it go, so that one lost packet doesn't.
 */
export function afterProbe(
  state: ProbeState,
  dead: string | undefined,
): { readonly state: ProbeState; readonly next: 'let_go' | { readonly againInMs: number } } {
  if (dead === undefined) return { state: { kind: 'alive' }, next: { againInMs: probeAgainMs.alive } };
  const failures = (state.kind === 'failing' ? state.failures : 0) + 1;
  return {
    state: { kind: 'failing', failures, reason: dead },
    next: failures >= deadAfter ? 'let_go' : { againInMs: probeAgainMs.failing },
  };
}

/** The same with what a probe of one instance brought. */
export function withProbe(held: Held, key: string, probe: ProbeState): Held {
  const row = held.rows.get(key);
  return row === undefined ? held : { ...held, rows: new Map(held.rows).set(key, { ...row, probe }) };
}

/** The same without some instances, for as long as the watch goes on holding them. */
export function withoutHeld(held: Held, keys: readonly string[]): Held {
  return { ...held, letGo: new Set([...held.letGo, ...keys]) };
}
