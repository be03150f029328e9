import type { Server } from 'node:http';

/** What becomes of an emission: its listeners get it, or it was dealt with and they don't. */
export type Seen = 'pass' | 'taken';

/**
 * Shows all that a server is about to emit, before its listeners get it. No listener of ours could do that: one for `upgrade` would
 * make Node take every upgrade for wanted, and one for `request` can't keep the application from answering too. Lasts as long as
 * the server; `see` must not throw.
 */
export function interceptEmissions(
  server: Server,
  see: (event: string | symbol, values: readonly unknown[]) => Seen,
): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
  server.emit = (event: string | symbol, ...values: unknown[]): boolean =>
    see(event, values) === 'taken' || emit(event, ...values);
}
