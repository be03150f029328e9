import type { RegistryFailure, WatchEvent } from '@roundhouse/agent-sdk/internal';

/** How a watch stands: `syncing` before its first answer, then following or not. */
export type WatchState =
  | { readonly kind: 'syncing' }
  | { readonly kind: 'live' }
  | { readonly kind: 'stale'; readonly sinceMs: number; readonly message: string }
  | { readonly kind: 'fixed' };

/** What is told of a watch that can't be followed, or can again. */
export type WatchNews =
  | {
      readonly kind: 'stale';
      readonly of: string;
      readonly attempt: number;
      readonly failure: RegistryFailure;
      readonly message: string;
    }
  | { readonly kind: 'live'; readonly of: string };

/** The state after an event, and what there is to tell. */
export function nextWatchState(
  of: string,
  before: WatchState,
  event: WatchEvent<unknown>,
  nowMs: number,
): { readonly state: WatchState; readonly news: WatchNews | undefined } {
  if (event.kind !== 'stale')
    return { state: { kind: 'live' }, news: before.kind === 'stale' ? { kind: 'live', of } : undefined };
  const { attempt, failure, message } = event;
  const sinceMs = before.kind === 'stale' ? before.sinceMs : nowMs;
  return {
    state: { kind: 'stale', sinceMs, message },
    news: { kind: 'stale', of, attempt, failure, message },
  };
}
