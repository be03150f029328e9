/** While the listener stops, how long an idle connection may take to send one more request, whose answer says that it was the last. */
export const lastRequestMs = 1_000;

/** In which part of the drain time WebSockets are closed: not all at once, and not at the last moment. */
const from = 0.5;
const until = 0.9;

/** A drain that has begun. */
export interface Drain {
  /** Monotonic. */
  readonly startedMs: number;
  readonly drainMs: number;
}

/** How long to wait, from `nowMs`, before a WebSocket is closed; WebSockets are spread over the time by `random`, in [0, 1). */
export function closeDelayMs({ startedMs, drainMs }: Drain, nowMs: number, random: number): number {
  const at = startedMs + drainMs * (from + random * (until - from));
  return Math.max(0, at - nowMs);
}
