import type { Server } from 'node:http';

/**
 * Shows every event of a server to `handle` before the server's listeners get it; they don't get it if `handle` returns true. No
 * listener could do that: one for `upgrade` would make Node treat every upgrade as wanted, and one for `request` can't keep the
 * application from answering too. Lasts as long as the server; `handle` must not throw.
 */
export function interceptEvents(
  server: Server,
  handle: (event: string | symbol, values: readonly unknown[]) => boolean,
): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
  server.emit = (event: string | symbol, ...values: unknown[]): boolean =>
    handle(event, values) || emit(event, ...values);
}
