import type { WatchEvent } from '@roundhouse/agent-sdk/internal';

type Trouble = Omit<Extract<WatchEvent<unknown>, { kind: 'stale' }>, 'retryInMs'>;

/**
 * How a watch stands: `syncing` before its first answer, then following or not; `fixed`: a list of the configuration, not watched. Of a saved
 * list that waits for a first attempt, the failure is `unreachable` and the attempt 0.
 */
export type WatchState =
  { readonly kind: 'syncing' | 'live' | 'fixed' } | (Trouble & { readonly sinceMs: number });

/** A watch can't be followed, or can again. */
export type WatchNews = WatchSubject & ({ readonly kind: 'live' } | Trouble);

/** What is watched: a service, or the `catalog`, of one source. */
export interface WatchSubject {
  readonly of: string;
  readonly source: string;
}

/** The state after an event, and what there is to tell. */
export function nextWatchState(
  subject: WatchSubject,
  before: WatchState,
  event: WatchEvent<unknown>,
  nowMs: number,
): { readonly state: WatchState; readonly news: WatchNews | undefined } {
  if (event.kind !== 'stale') {
    const state = { kind: 'live' } as const;
    return { state, news: before.kind === 'stale' ? { ...subject, ...state } : undefined };
  }
  const { retryInMs: _, ...trouble } = event;
  const sinceMs = before.kind === 'stale' ? before.sinceMs : nowMs;
  return { state: { ...trouble, sinceMs }, news: { ...subject, ...trouble } };
}

/** Of a list that was saved so long ago, before the registry has answered. */
export function savedWatchState(ageMs: number, nowMs: number): WatchState {
  const message = `Consul has not answered yet; this list was saved ${Math.round(ageMs / 60_000)} min ago.`;
  return { kind: 'stale', sinceMs: nowMs - ageMs, message, failure: 'unreachable', attempt: 0 };
}

/** Several watches as one: stale since the first of them is, else without an answer while one of them is. None at all: `syncing`. */
export function combinedWatchState(states: readonly WatchState[]): WatchState {
  const stale = states.filter((state) => state.kind === 'stale').sort((a, b) => a.sinceMs - b.sinceMs)[0];
  const rank = (kind: WatchState['kind']): WatchState | undefined =>
    states.find((state) => state.kind === kind);
  return stale ?? rank('syncing') ?? rank('live') ?? rank('fixed') ?? { kind: 'syncing' };
}
