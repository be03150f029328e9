import type { RegistryFailure, WatchEvent } from '@roundhouse/agent-sdk/internal';

/** How a watch stands: `syncing` before its first answer, then following or not; `fixed`: a list of the configuration, not watched. */
export type WatchState =
  | { readonly kind: 'syncing' }
  | { readonly kind: 'live' }
  | {
      readonly kind: 'stale';
      readonly sinceMs: number;
      readonly message: string;
      /** Why, and failed attempts in a row; of a saved list that waits for a first attempt: `unreachable` and 0. */
      readonly failure: RegistryFailure;
      readonly attempt: number;
    }
  | { readonly kind: 'fixed' };

/** A watch can't be followed, or can again. */
export type WatchNews = WatchSubject &
  (
    | {
        readonly kind: 'stale';
        readonly attempt: number;
        readonly failure: RegistryFailure;
        readonly message: string;
      }
    | { readonly kind: 'live' }
  );

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
    return {
      state: { kind: 'live' },
      news: before.kind === 'stale' ? { ...subject, kind: 'live' } : undefined,
    };
  }
  const { attempt, failure, message } = event;
  const sinceMs = before.kind === 'stale' ? before.sinceMs : nowMs;
  return {
    state: { kind: 'stale', sinceMs, message, failure, attempt },
    news: { ...subject, kind: 'stale', attempt, failure, message },
  };
}

/** Several watches as one: stale since the first of them is, else without an answer while one of them is. None at all: `syncing`. */
export function combinedWatchState(states: readonly WatchState[]): WatchState {
  const stale = states.filter((state) => state.kind === 'stale').sort((a, b) => a.sinceMs - b.sinceMs)[0];
  const rank = (kind: WatchState['kind']): WatchState | undefined =>
    states.find((state) => state.kind === kind);
  return stale ?? rank('syncing') ?? rank('live') ?? rank('fixed') ?? { kind: 'syncing' };
}
